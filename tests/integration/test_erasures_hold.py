"""An erasure holds whatever comes after: old backups, others' keys, replays under way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdp import entrance, main
from cdp.db import named
from cdp.errors import ConfigurationError, Conflict
from cdp.instance import Running
from cdp.log import erasures
from cdp.log.keyring import Keyring
from cdp.log.writing import Writer
from cdp.privacy import reapplying
from cdp.replay import Replay
from tests.conftest import Api
from tests.integration.test_erasing import ada_lives, ids, traces, verified
from tests.integration.test_import_log import Other, other, take_in
from tests.support.backups import api_of, back_up, restore_into
from tests.support.instances import Instance, api_on, instance_on
from tests.support.privacy import ask, done, followed, request
from tests.support.stores import Stores

__all__ = ["other"]

ADA = "email:ada@example.com"
PROFILE = "/profiles/user_id:ada"


async def listed(instance: Instance) -> list[str]:
    async with instance.core.database.transaction() as connection:
        return list(reapplying.written(await erasures.listed(connection)))


@pytest.mark.parametrize("partitions", [None, 3])
async def test_a_backup_from_before_does_not_bring_them_back(
    api: Api, running: Running, stores: Stores, tmp_path: Path, partitions: int | None
) -> None:
    await ada_lives(api)
    subjects = await ids(api, ADA)
    back_up(api.instance, running, tmp_path / "backup")
    await done(api, "erase", ADA)
    gone = reapplying.read("\n".join(await listed(api.instance)))
    target = stores.empty()
    restored = await restore_into(target, tmp_path / "backup", tmp_path / "home", partitions, gone)
    assert restored.erased == len(subjects) == 4
    async with api_of(target, tmp_path / "home") as again:
        await again.settle()
        assert await traces(again, subjects) == {}
        assert (await again.call("GET", PROFILE)).status_code == 404
        assert (await again.get("/profiles/user_id:bob"))["events"] == {"Signed Up": 1}
        assert await verified(again, target)


async def test_a_backup_from_after_knows_and_keeps_the_new_life(
    api: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    await ada_lives(api)
    await done(api, "erase", ADA)
    await api.send("/v1/track", {"userId": "ada", "event": "Back"})
    await api.settle()
    back_up(api.instance, running, tmp_path / "backup")
    gone = reapplying.read("\n".join(await listed(api.instance)))
    target = stores.empty()
    restored = await restore_into(target, tmp_path / "backup", tmp_path / "home", None, gone)
    assert restored.erased == 0
    async with api_of(target, tmp_path / "home") as again:
        assert (await again.get(PROFILE))["events"] == {"Back": 1}


def test_a_list_that_is_none_is_refused_by_its_line() -> None:
    for line in ("x", "2026-01-01T00:00:00Z 00", "2026-01-01T00:00:00Z"):
        with pytest.raises(ConfigurationError, match="line 2 of the list"):
            reapplying.read(f"2026-01-01T00:00:00Z {'0' * 32}\n{line}\n")


async def test_another_instances_log_does_not_bring_them_back(
    api: Api, running: Running, other: Other
) -> None:
    for user in ("ada", "bob"):
        await other.api.send("/v1/track", {"userId": user, "event": "There"})
    await other.api.settle()
    await done(other.api, "erase", "user_id:bob")
    await other.api.send("/v1/track", {"userId": "bob", "event": "Back there"})
    await other.api.settle()
    other.back_up()
    await api.send("/v1/track", {"userId": "ada", "event": "Here"})
    await api.settle()
    await done(api, "erase", "user_id:ada")
    tally = await take_in(api, running, other)
    assert (tally.erased, tally.destroyed, tally.new) == (1, 1, 1)
    await api.settle()
    assert (await api.call("GET", PROFILE)).status_code == 404
    assert (await api.get("/profiles/user_id:bob"))["events"] == {"Back there": 1}


async def test_a_collector_that_has_not_heard_of_it_seals_anew(
    api: Api, running: Running, tmp_path: Path
) -> None:
    """A second collector, deaf to news: it has their old key, and is told of no erasure."""
    await ada_lives(api)
    async with instance_on(running, tmp_path) as second, api_on(second) as deaf:
        keyring: Any = second.core.keyring
        await deaf.send("/v1/track", {"userId": "ada", "event": "Before"})
        await api.settle()
        keyring.forget = lambda subjects: None if len(subjects) == 1 else forget(subjects)
        forget = Keyring.forget.__get__(keyring)
        await done(api, "erase", ADA)
        before = second.core.keyring.erasures
        await deaf.send("/v1/track", {"userId": "ada", "event": "After"})
        assert second.core.keyring.erasures == before + 1
    await api.settle()
    assert (await api.get(PROFILE))["events"] == {"After": 1}
    parked = await api.instance.core.database.rows(named("select count(*) from parked"))
    assert parked[0][0] == 0


async def test_what_was_on_its_way_when_it_was_done_goes_too(api: Api) -> None:
    """Received before, written after: as what lay on a collector's disk."""
    await ada_lives(api)
    kept: list[Any] = []
    write = Writer.write

    async def late(self: Writer, group: Any) -> frozenset[bytes]:
        kept.append(group)
        return frozenset()

    Writer.write = late  # type: ignore[method-assign]
    try:
        await api.send("/v1/track", {"userId": "ada", "event": "On its way"})
    finally:
        Writer.write = write  # type: ignore[method-assign]
    await done(api, "erase", ADA)
    core = api.instance.core
    await entrance.writer(core, entrance.gates(core, "CA")).write(kept[0])
    await api.settle()
    assert (await api.call("GET", PROFILE)).status_code == 404
    await api.send("/v1/track", {"userId": "ada", "event": "Later"})
    await api.settle()
    assert (await api.get(PROFILE))["events"] == {"Later": 1}


async def test_a_replay_that_had_begun_leaves_them_out(
    api: Api, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ada_lives(api)
    subjects = await ids(api, ADA)
    swap = Replay._swap

    async def erased_meanwhile(self: Replay) -> None:
        await done(api, "erase", ADA)
        await swap(self)

    monkeypatch.setattr(Replay, "_swap", erased_meanwhile)
    async with main.replaying(api.instance.settings, running) as replay:
        await replay.replace()
    assert await traces(api, subjects) == {}
    assert await verified(api, running)
    assert (await api.get("/profiles/user_id:bob"))["events"] == {"Signed Up": 1}


async def test_a_replay_that_may_have_mixed_two_lives_begins_again(
    api: Api, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ada_lives(api)
    swap = Replay._swap

    async def back_meanwhile(self: Replay) -> None:
        await done(api, "erase", ADA)
        await api.send("/v1/track", {"userId": "ada", "event": "Back"})
        await api.settle()
        await swap(self)

    async with main.replaying(api.instance.settings, running) as replay:
        with monkeypatch.context() as patched:
            patched.setattr(Replay, "_swap", back_meanwhile)
            with pytest.raises(Conflict, match="replay again"):
                await replay.replace()
        await replay.replace()
    assert (await api.get(PROFILE))["events"] == {"Back": 1}
    assert await verified(api, running)


async def test_killed_between_its_steps_it_goes_on(api: Api) -> None:
    """What destroys is one transaction; what follows it is done by whoever comes next."""
    await ada_lives(api)
    work = api.instance.driver.jobs.privacy
    asked = await ask(api, "erase", ADA)
    assert await work.step()
    half = await request(api, asked["id"])
    assert (half["status"], half["subjects"], half["receipt"]) == ("running", 4, None)
    assert (await api.call("GET", PROFILE)).status_code == 404
    assert (await followed(api, asked["id"]))["result"] == half["result"]
