"""What is older than its source and purpose allow goes; decisions, positions and proof stay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp import main, times
from cdp.clockwork import jobs
from cdp.collect import keys
from cdp.db import named
from cdp.evidence.verifying import Verdict, Verifying
from cdp.instance import Running
from cdp.replay import until_quiet
from cdp.retention import store
from consent.purposes import DAY
from tests.conftest import Api
from tests.support.backups import api_of, back_up, restore, rows
from tests.support.collected import quarantined, stored
from tests.support.samples import changes
from tests.support.stores import Stores

LONG = "c" + "l" * 24  # a source whose events are kept longer
NEEDED = "c" + "n" * 24  # one that serves people
STAMP = {"consent": {"categoryPreferences": {"Analytics": True, "Advertising": False}}}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    times.set_ahead(0)


@pytest.fixture
async def sources(api: Api) -> AsyncIterator[Api]:
    """Beside the first, which keeps what it has for 30 days."""
    async with api.instance.core.database.transaction() as connection:
        await keys.add_source(connection, "long", LONG, retention_days=90)
        await keys.add_source(connection, "needed", NEEDED, necessary=True)
        assert await store.keep_for(connection, api.instance.keys["write_key"], 30) == "first"
        assert await store.keep_for(connection, "write:99", 30) is None
    yield api


async def send(api: Api, user: str, key: str = "", **more: Any) -> None:
    told = {"userId": user, "event": "Viewed", "properties": {"secret": user}} | more
    key = key or api.instance.keys["write_key"]
    assert (await api.send("/v1/track", told, **{"x-write-key": key})).status_code == 200


async def expire(api: Api, days: int) -> int:
    """What the scheduler does, so many days later; how many events it took out."""
    work = jobs(api.instance.core)
    await work.chain_consent()
    times.set_ahead(-days * DAY)
    with changes("scheduler") as risen:
        await work.expire()
    times.set_ahead(0)
    return round(risen["cdp_expired_total"])


async def users(api: Api) -> list[str]:
    return sorted(event.user_id for event in await stored(api))


async def verified(api: Api) -> Verdict:
    core = api.instance.core
    async with core.database.snapshot() as connection:
        return await Verifying(connection, core.vault).run()


async def test_each_source_keeps_its_events_as_long_as_it_says(sources: Api) -> None:
    for key in ("", LONG, NEEDED):
        await send(sources, f"of {key[:2]}", key)
    await sources.settle()
    assert await expire(sources, 29) == 0
    assert await expire(sources, 31) == 1
    assert await users(sources) == ["of cl", "of cn"]
    assert await expire(sources, 91) == 1
    assert await users(sources) == ["of cn"]
    assert await expire(sources, 9999) == 0


async def test_a_purpose_bounds_all_that_is_stored_for_it(sources: Api) -> None:
    for key in ("", LONG, NEEDED):
        await send(sources, f"of {key[:2]}", key)
    await sources.settle()
    for purpose, days in (("analytics", 60), ("necessary", 365)):
        name = {"name": purpose, "retention_days": days}
        assert (await sources.put(f"/consent/purposes/{purpose}", name))["retention_days"] == days
    assert await expire(sources, 61) == 2
    assert await users(sources) == ["of cn"]
    assert await expire(sources, 366) == 1


async def test_no_other_purpose_has_events_of_its_own(api: Api) -> None:
    told = {"name": "E-mails", "retention_days": 30}
    answer = await api.call("PUT", "/consent/purposes/marketing_email", json=told)
    assert (answer.status_code, answer.json()["field"]) == (400, "retention_days")
    assert "analytics or necessary" in answer.json()["detail"]


async def test_decisions_stay_and_so_does_their_proof(sources: Api) -> None:
    await send(sources, "ada", context=STAMP)
    await sources.put("/consent/user_id:ada", {"purpose": "marketing_email", "state": "granted"})
    await send(sources, "ada")
    await sources.settle()
    before = await sources.get("/consent/user_id:ada")
    assert await expire(sources, 31) == 2
    assert await sources.get("/consent/user_id:ada") == before
    (_, stamped) = sorted(await stored(sources), key=lambda event: bool(event.context))
    assert (stamped.type, stamped.context, stamped.properties) == ("consent", STAMP, {})
    verdict = await verified(sources)
    assert (verdict.facts, verdict.findings) == (2, [])
    # Nobody else can put something in its place and call it what retention has left.
    await sources.instance.core.database.rows(
        named("update events set payload = payload || 'x' where consent")
    )
    assert {each.kind for each in (await verified(sources)).findings} == {"altered"}


async def test_a_replay_is_as_if_it_had_never_been(sources: Api, running: Running) -> None:
    await send(sources, "ada", messageId="once")
    await send(sources, "bob")
    await send(sources, "ada", LONG, event="Kept")
    await sources.settle()
    ends = await rows(sources.instance, "heads", "topic, partition")
    assert await expire(sources, 31) == 2
    assert await rows(sources.instance, "heads", "topic, partition") == ends
    profile = await sources.get("/profiles/user_id:ada")
    assert profile["events"] == {"Viewed": 1, "Kept": 1}  # until the replay
    async with main.replaying(sources.instance.settings, running) as replay:
        await replay.replace()
    await sources.settle()
    assert (await sources.get("/profiles/user_id:ada"))["events"] == {"Kept": 1}
    assert (await sources.call("GET", "/profiles/user_id:bob")).status_code == 404
    await send(sources, "ada", messageId="once")  # it is known all the same
    await send(sources, "ada")
    await sources.settle()
    assert (await sources.get("/profiles/user_id:ada"))["events"] == {"Kept": 1, "Viewed": 1}
    async with main.replaying(sources.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))


async def test_what_is_in_quarantine_goes_too(sources: Api) -> None:
    broken = {"type": "track", "userId": "ada"}
    for key in (sources.instance.keys["write_key"], LONG, "c" + "u" * 24):
        await sources.send("/v1/batch", broken, **{"x-write-key": key})
    assert await expire(sources, 31) == 1
    assert {each["source"] for each in await quarantined(sources)} == {2, None}
    await sources.put("/consent/purposes/analytics", {"name": "Analytics", "retention_days": 60})
    assert await expire(sources, 61) == 2
    assert await quarantined(sources) == []


async def test_what_nobody_has_handled_yet_is_left_alone(sources: Api) -> None:
    await send(sources, "ada")
    assert await expire(sources, 31) == 0
    await sources.settle()
    assert await expire(sources, 31) == 1


async def test_what_a_backup_brings_back_goes_again(
    sources: Api, running: Running, stores: Stores, tmp_path: Path
) -> None:
    await send(sources, "ada")
    await send(sources, "ada", context=STAMP)
    await sources.settle()
    back_up(sources.instance, running, tmp_path / "backup")
    assert await expire(sources, 31) == 2
    target, _ = await restore(stores, tmp_path / "backup", tmp_path / "home")
    async with api_of(target, tmp_path / "home") as again:
        assert len(await stored(again)) == 2
        assert await expire(again, 31) == 2
        assert (await verified(again)).findings == []
    back_up(sources.instance, running, tmp_path / "newer")
    target, _ = await restore(stores, tmp_path / "newer", tmp_path / "home2")
    async with api_of(target, tmp_path / "home2") as again:
        assert [event.type for event in await stored(again)] == ["consent"]
        assert await expire(again, 31) == 0
        assert (await verified(again)).findings == []
