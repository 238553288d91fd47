"""The master key changes while events come in: nothing is lost, and the old one opens nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cdp import audit, keyset, migrate, rotating, transfer
from cdp.db import named
from cdp.errors import ConfigurationError, Conflict
from cdp.instance import Running
from cdp.log.vault import Vault, check_of
from tests.support.instances import Instance
from tests.support.rotation import (
    ADA,
    BOTH,
    BY,
    CLOSED,
    NEW,
    NEW_KEY,
    NEWEST,
    NEWEST_KEY,
    OLD,
    change,
    live,
    must_work,
    opens,
    process,
    sealed,
    traffic,
)
from tests.support.stores import MASTER_KEY, Stores


async def test_it_is_changed_under_traffic_without_a_pause(
    running: Running, tmp_path: Path
) -> None:
    async with process(running, tmp_path / "old", MASTER_KEY) as api:
        before = await live(api)
        keys = api.instance.keys
        with pytest.raises(Conflict, match="sessions are of processes that do not have the new"):
            await change(running, NEW, OLD)
    stop = asyncio.Event()
    async with process(running, tmp_path / "old", BOTH) as both, asyncio.TaskGroup() as group:
        first = group.create_task(traffic(both, "both", stop))
        await asyncio.sleep(0.3)
        begun = await change(running, NEW, OLD)
        assert begun.waits_for > 0
        assert begun.tally.lost == 0
        assert begun.tally.renewed > 400
        async with process(running, tmp_path / "old", NEW_KEY) as new, asyncio.TaskGroup() as inner:
            assert new.instance.keys == keys
            second = inner.create_task(traffic(new, "new", stop))
            await asyncio.sleep(0.3)
            await must_work(new, before)
            await must_work(both, before)
            assert (await change(running, NEW, OLD)).waits_for > 0
            stop.set()
    counts = first.result(), second.result()
    finished = await change(running, NEW, patience=CLOSED)  # the old one is not needed any more
    assert (finished.waits_for, finished.tally.lost) == (0, 0)
    async with process(running, tmp_path / "old", NEW_KEY) as api:
        await api.settle()
        await must_work(api, before)
        for name, count in zip(("both", "new"), counts, strict=True):
            assert count > 5
            for number in range(count):
                profile = await api.get(f"/profiles/user_id:{name}-{number}")
                assert profile["events"] == {"seen": 1}
        assert (await api.client.get(before["link"])).status_code == 200
        for table, row in await sealed(api):
            assert opens(Vault(NEW), table, row), table
            assert not opens(Vault(OLD), table, row), table


async def test_what_runs_takes_up_a_key_once_it_is_given_and_in_force(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So one command does it all: nothing is started again."""
    monkeypatch.setattr(keyset, "EVERY_SECONDS", 0.05)
    given, stop = [OLD], asyncio.Event()
    async with process(running, tmp_path, MASTER_KEY) as api:
        core, before = api.instance.core, await live(api)
        async with (
            keyset.following(core.database, core.vault, lambda: given),
            asyncio.TaskGroup() as group,
        ):
            sending = group.create_task(traffic(api, "sent", stop))
            with pytest.raises(Conflict, match="do not have the new master key"):
                await change(running, NEW, OLD, patience=0.3)
            given.insert(0, NEW)
            outcome = await change(running, NEW, OLD, patience=10)
            assert (outcome.waits_for, outcome.tally.lost) == (0, 0)
            given.pop()
            await asyncio.sleep(0.3)
            stop.set()
        assert core.vault.checks == (check_of(NEW),)
        await api.settle()
        await must_work(api, before)
        for number in range(sending.result()):
            assert (await api.get(f"/profiles/user_id:sent-{number}"))["events"] == {"seen": 1}
        assert (await api.client.get(before["link"])).status_code == 200
        assert all(opens(Vault(NEW), *each) for each in await sealed(api))


async def test_a_key_that_does_not_fit_is_not_taken_up(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "EVERY_SECONDS", 0.02)
    answers: list[list[bytes] | ConfigurationError] = [
        [NEW],
        ConfigurationError("half"),
        [OLD, NEW],
    ]

    def given() -> list[bytes]:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, ConfigurationError):
            raise answer
        return answer

    async with process(running, tmp_path, MASTER_KEY) as api:
        core = api.instance.core
        async with keyset.following(core.database, core.vault, given):
            while core.vault.checks == (check_of(OLD),):
                await asyncio.sleep(0.02)
        assert core.vault.checks == (check_of(OLD), check_of(NEW))
        assert (await api.send("/v1/page", {"anonymousId": "a"})).is_success


async def test_who_has_only_the_old_key_is_told_so(running: Running, tmp_path: Path) -> None:
    async with process(running, tmp_path, MASTER_KEY):
        pass
    await change(running, NEW, OLD, patience=CLOSED)
    with pytest.raises(ConfigurationError, match="this is the old one"):
        keyset.opened(running.database_url, [OLD])
    stranger = keyset.opened(running.database_url, [NEWEST])
    with pytest.raises(ConfigurationError, match="the master key is not the one"):
        migrate.born(running.database_url, key_check=stranger.check)
    with pytest.raises(Conflict, match="was given up before"):
        await change(running, OLD, NEW)


async def test_there_is_nothing_to_change_to(instance: Instance, running: Running) -> None:
    with pytest.raises(ConfigurationError, match="openssl rand -hex 32"):
        await change(running, OLD)


async def test_one_change_after_another_and_the_end_of_links(
    running: Running, tmp_path: Path
) -> None:
    async with process(running, tmp_path, MASTER_KEY) as api:
        before = await live(api)
    await change(running, NEW, OLD, patience=CLOSED)
    async with process(running, tmp_path, NEW_KEY) as api:
        assert (await api.client.get(before["link"])).status_code == 200
    await change(running, NEWEST, NEW, patience=CLOSED)
    async with process(running, tmp_path, NEWEST_KEY) as api:
        await must_work(api, before)
        assert (await api.client.get(before["link"])).status_code == 200
    assert (await change(running, NEWEST, end_links=True, patience=CLOSED)).tally.renewed == 0
    async with process(running, tmp_path, NEWEST_KEY) as api:
        await must_work(api, before)
        assert (await api.client.get(before["link"])).status_code == 404
        entries = await api.get("/audit?limit=200")
    told = [e["target"] for e in entries["entries"] if e["action"] == BY.action]  # type: ignore[attr-defined]
    assert [each.split()[0] for each in told] == [
        "finished",
        "finished",
        "begun",
        "finished",
        "begun",
    ]


async def test_a_run_that_was_interrupted_goes_on(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(running, tmp_path, MASTER_KEY) as api:
        before = await live(api)
    monkeypatch.setattr(rotating, "BATCH", 10)

    class Interrupted(Exception):
        pass

    def progress(table: str, done: int, of: int) -> None:
        if done >= 50:
            raise Interrupted

    with pytest.raises(Interrupted):
        await change(running, NEW, OLD, progress=progress, patience=CLOSED)
    with pytest.raises(Conflict, match="the last change of the master key is not finished"):
        await change(running, NEWEST, NEW)
    async with process(running, tmp_path, NEW_KEY) as api:
        await must_work(api, before)
        subjects = [row for table, row in await sealed(api) if table == "subjects"]
        assert {opens(Vault(NEW), "subjects", row) for row in subjects} == {True, False}
    assert keyset.is_changing(running.database_url)
    assert (await change(running, NEW, patience=CLOSED)).waits_for == 0
    assert not keyset.is_changing(running.database_url)
    async with process(running, tmp_path, NEW_KEY) as api:
        assert all(opens(Vault(NEW), *each) for each in await sealed(api))


async def test_a_backup_opens_with_the_key_that_was_in_force_when_it_was_taken(
    running: Running, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was taken before the change was finished."""
    async with process(running, tmp_path / "old", MASTER_KEY) as api:
        before = await live(api)
    monkeypatch.setattr(rotating, "COLUMNS", ())  # nothing is sealed anew yet
    async with process(running, tmp_path / "old", BOTH):
        assert (await change(running, NEW, OLD)).waits_for > 0
    settings = replace(api.instance.settings, master_key=NEW_KEY)
    transfer.back_up(settings, running, tmp_path / "backup", lambda *told: None)
    target, there = stores.empty(), replace(settings, data_dir=tmp_path / "restored")
    with pytest.raises(ConfigurationError, match="was taken under another master key"):
        transfer.must_open(replace(there, master_key=MASTER_KEY), tmp_path / "backup")
    opened = transfer.must_open(there, tmp_path / "backup")
    await transfer.restore(there, target, opened, None, lambda *told: None)
    async with process(target, tmp_path / "restored", NEW_KEY) as api:
        assert (await api.get(f"/profiles/{ADA}"))["traits"] == before["profile"]["traits"]
        assert all(opens(api.instance.core.vault, *each) for each in await sealed(api))
        core = api.instance.core
        async with core.database.transaction() as connection:
            assert (await audit.verify(connection, core.vault)).broken is None


async def test_what_no_key_opens_is_counted_and_holds_nothing_up(
    running: Running, tmp_path: Path
) -> None:
    async with process(running, tmp_path, MASTER_KEY) as api:
        assert (await api.send("/v1/page", {"anonymousId": "a"})).is_success
        await api.instance.core.database.rows(
            named("insert into subjects values ('\\x00', '\\x0011223344556677889900112233')")
        )
    outcome = await change(running, NEW, OLD, patience=CLOSED)
    assert (outcome.tally.lost, outcome.waits_for) == (1, 0)
