"""What lies on a worker's shelf is never taken for what is stored unless it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.db import Connection
from cdp.events import SCHEMA, Event, SubjectId
from profiles import fragment
from profiles.shelf import Shelf
from tests.support.instances import Instance, instance_on
from tests.support.stores import Stores

NOTHING = fragment.counting([])
SUBJECTS = [f"subject {n}" for n in range(4)]
step = st.tuples(
    st.sampled_from(["fold", "fold and roll back", "read"]),
    st.integers(0, 2),  # which of three workers
    st.sets(st.sampled_from(SUBJECTS), min_size=1),
)


@pytest.fixture(scope="module")
async def instance(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Instance]:
    """One for all examples; each brings subjects of its own."""
    async with instance_on(stores.fresh(), tmp_path_factory.mktemp("shelf")) as made:
        yield made


class Lost(Exception):
    """The transaction does not come to its end."""


class Worker:
    """Adds one event to fragments, as an agent does."""

    def __init__(self, instance: Instance, size: int) -> None:
        self._database = instance.core.database
        self.shelf = Shelf(instance.core.keyring.load, size)

    async def fold(self, subjects: set[SubjectId], *, lost: bool) -> None:
        try:
            async with self._database.transaction() as connection:
                await self._fold(connection, subjects)
                if lost:
                    raise Lost
        except Lost:
            pass

    async def _fold(self, connection: Connection, subjects: set[SubjectId]) -> None:
        opened = await self.shelf.open(connection, subjects, lock=True)
        for subject in subjects:
            event = Event(SCHEMA, "page", subject, 1, "m", 1, 1)
            fragment.fold(opened.setdefault(subject, fragment.empty()), event, [], NOTHING)
        await self.shelf.seal(connection, opened)

    async def counts(self, subjects: set[SubjectId]) -> dict[SubjectId, int]:
        async with self._database.transaction() as connection:
            opened = await self.shelf.open(connection, subjects)
            return {subject: each.events["page"].count for subject, each in opened.items()}


examples = iter(range(10_000_000))


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(step, min_size=1, max_size=12))
async def test_every_worker_reads_what_is_stored(
    instance: Instance, steps: list[tuple[str, int, set[str]]]
) -> None:
    vault, example = instance.core.vault, next(examples)
    workers = [Worker(instance, size) for size in (1000, 2, 1)]
    ids = {name: vault.subject("test", f"{example} {name}") for name in SUBJECTS}
    await instance.core.keyring.ensure(instance.core.database, ids.values())
    stored: Counter[SubjectId] = Counter()
    for what, number, names in steps:
        subjects = {ids[name] for name in names}
        if what == "read":
            expected = {subject: stored[subject] for subject in subjects if subject in stored}
            assert await workers[number].counts(subjects) == expected
        else:
            await workers[number].fold(subjects, lost=what != "fold")
            stored.update(subjects if what == "fold" else ())
    for worker in workers:
        assert await worker.counts(set(ids.values())) == dict(stored)


async def test_what_was_taken_away_while_keys_were_fetched_is_read_again(
    instance: Instance, tmp_path: Path
) -> None:
    """One agent reads while another of the same worker takes a fragment away to change it."""
    core = instance.core
    one, other = (core.vault.subject("test", name) for name in ("taken", "not at hand"))
    await core.keyring.ensure(core.database, [one, other])
    worker = Worker(instance, 1000)
    await Worker(instance, 1000).fold({other}, lost=False)
    await worker.fold({one}, lost=False)
    async with core.database.transaction() as connection:

        async def meanwhile(c: Connection, subjects: object) -> object:
            if one in worker.shelf._held:
                async with core.database.transaction() as second:
                    await worker.shelf.open(second, [one], lock=True)
            return await core.keyring.load(c, subjects)  # type: ignore[arg-type]

        worker.shelf._unlock = meanwhile  # type: ignore[assignment]
        opened = await worker.shelf.open(connection, [one, other])
    assert {subject: each.events["page"].count for subject, each in opened.items()} == {
        one: 1,
        other: 1,
    }
