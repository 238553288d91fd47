"""A backup restored is the instance again: same log, same state, nothing sent twice or lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cdp import main
from cdp.backup.tables import LOGS, MADE_ANEW, WHOLE
from cdp.db import named
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.conftest import Api, Instance
from tests.support.backups import api_of, back_up, digests, live, restore, rows
from tests.support.receiver import Receiver, receiving
from tests.support.stores import Stores

ORDER = {"event": "Order Completed", "properties": {"revenue": 99}}
KEPT = {  # what must be the same to the last byte, and in which order to look at it
    "events": 'partition, "offset"',
    "changes": '"offset"',
    "heads": "topic, partition",
    "checkpoints": "topic, partition",
    "consent_chain": 'partition, "offset"',
    "consent_heads": "partition",
    "deliveries": "id",
    "subjects": "id",
    "uncollectable": "subject",
    "sources": "id",
    "api_keys": "id",
    "segments": "id",
    "destinations": "key",
    "quarantine": "id",
    "carried": "number",
    "identity_history": "number",
    "memberships": "segment, profile",
}


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_every_table_is_either_in_a_backup_or_made_anew(instance: Instance) -> None:
    found = await instance.core.database.rows(
        named("select tablename from pg_tables where schemaname = 'public'")
    )
    listed = [*(log.table for log in LOGS), *WHOLE, *MADE_ANEW]
    assert sorted(row[0] for row in found) == sorted(listed)


async def test_what_is_restored_is_the_same_instance(
    api: Api, running: Running, stores: Stores, hook: Receiver, tmp_path: Path
) -> None:
    await live(api, hook)
    made, new = back_up(api.instance, running, tmp_path / "backup")
    heads = await rows(api.instance, "heads", "1")
    assert made.events == sum(row[2] for row in heads if row[0] == "events")
    assert new == made.events
    before = {table: await rows(api.instance, table, order) for table, order in KEPT.items()}
    digested, sent = await digests(api.instance), len(hook.requests)
    assert [table for table, found in before.items() if not found] == []
    assert sent
    target, restored = await restore(stores, tmp_path / "backup", tmp_path / "home")
    assert restored.replayed == made.events
    async with api_of(target, tmp_path / "home") as again:
        assert again.instance.keys == api.instance.keys
        assert await digests(again.instance) == digested
        for table, order in KEPT.items():
            assert await rows(again.instance, table, order) == before[table], table
        await again.settle()
        assert await digests(again.instance) == digested
        assert len(hook.requests) == sent
        await _goes_on(again, hook, sent)
    async with main.replaying(again.instance.settings, target) as replay:
        assert all(each.equal for each in await until_quiet(replay))


async def _goes_on(api: Api, hook: Receiver, sent: int) -> None:
    """A new buyer is told of; an old message is known; offsets and numbers continue."""
    ends = {row[:2]: row[2] for row in await rows(api.instance, "heads", "topic, partition")}
    await api.put("/consent/user_id:new", {"purpose": "marketing_email", "state": "granted"})
    for _ in range(2):
        order = {"userId": "new", "messageId": "once", **ORDER}
        assert (await api.send("/v1/track", order)).status_code == 200
    await api.put("/segments/more", {"name": "more", "where": {"event": "page"}})
    await api.settle()
    assert len(hook.requests) == sent + 1
    after = {row[:2]: row[2] for row in await rows(api.instance, "heads", "topic, partition")}
    grown = {place: after[place] - ends[place] for place in ends if place[0] == "events"}
    assert sum(grown.values()) == 2
    assert (await api.get("/profiles/user_id:new"))["events"] == {"Order Completed": 1}


async def test_what_was_under_way_goes_on(
    api: Api, running: Running, stores: Stores, hook: Receiver, tmp_path: Path
) -> None:
    """Events no agent has seen, a profile touched, a delivery requested: each happens once."""
    await live(api, hook, events=100)
    driver, told = api.instance.driver, len(hook.requests)
    for user in ("one", "two", "three"):
        await api.put(
            f"/consent/user_id:{user}", {"purpose": "personalization", "state": "granted"}
        )
        await api.send("/v1/track", {"userId": user, **ORDER})
        for stage in driver.stages[: {"one": 2, "two": 1, "three": 0}[user]]:
            while await driver.step(stage):
                pass
    made, _ = back_up(api.instance, running, tmp_path / "backup")
    assert [topic for topic, lag in made.lag.items() if not lag] == []
    target, restored = await restore(stores, tmp_path / "backup", tmp_path / "home")
    assert restored.replayed < made.events
    async with api_of(target, tmp_path / "home") as again:
        assert len(hook.requests) == told
        await again.settle()
        assert len(hook.requests) == told + 3
        await api.settle()  # the source itself, by now: it tells the receiver the same
        assert len(hook.requests) == told + 6
        ids = [request.headers["webhook-id"] for request in hook.requests[told:]]
        assert sorted(ids[:3]) == sorted(ids[3:])
        assert await digests(again.instance) == await digests(api.instance)
        requested = [await rows(each.instance, "deliveries", "id") for each in (again, api)]
        assert [row[0] for row in requested[0]] == [row[0] for row in requested[1]]


async def test_a_definition_that_was_on_its_way_arrives(
    api: Api, running: Running, stores: Stores, hook: Receiver, tmp_path: Path
) -> None:
    await live(api, hook)
    for key, count in (("begun", 2), ("waiting", 3)):
        where = {"event": "page", "count": {"gte": count}, "within": f"{count}d"}
        await api.put(f"/segments/{key}", {"name": key, "where": where})
        if key == "begun":
            for _ in range(2):
                assert await api.instance.driver.jobs.builder.step()
    back_up(api.instance, running, tmp_path / "backup")
    target, _ = await restore(stores, tmp_path / "backup", tmp_path / "home")
    async with api_of(target, tmp_path / "home") as again:
        await again.settle()
        await api.settle()
        assert (await again.get("/segments/waiting"))["state"] == "live"
        sizes = [(await each.get("/segments/begun"))["size"] for each in (again, api)]
        assert sizes[0] == sizes[1] > 0
        assert await digests(again.instance) == await digests(api.instance)


async def test_a_parked_record_stays_parked(
    api: Api, running: Running, stores: Stores, hook: Receiver, tmp_path: Path
) -> None:
    await live(api, hook, events=100)
    database = api.instance.core.database
    await database.rows(named("update events set payload = 'x' where \"offset\" = 5"))
    await database.rows(
        named("""insert into parked select 'events', partition, "offset", subject, '', 'broken'
                   from events where "offset" = 5""")
    )
    back_up(api.instance, running, tmp_path / "backup")
    target, _ = await restore(stores, tmp_path / "backup", tmp_path / "home")
    async with api_of(target, tmp_path / "home") as again:
        assert len(await rows(again.instance, "parked", "1")) == 4  # one in each partition
        assert await rows(again.instance, "parked", "1, 2") == await rows(
            api.instance, "parked", "1, 2"
        )


async def test_into_another_number_of_partitions(
    api: Api, running: Running, stores: Stores, hook: Receiver, tmp_path: Path
) -> None:
    await live(api, hook)
    made, _ = back_up(api.instance, running, tmp_path / "backup")
    sent = len(hook.requests)
    target, restored = await restore(stores, tmp_path / "backup", tmp_path / "home", 7)
    assert restored == (made.events, 7, 0)
    async with api_of(target, tmp_path / "home") as again:
        assert again.instance.core.partitions == 7
        assert await digests(again.instance) == await digests(api.instance)
        places = await again.instance.core.database.rows(
            named('select partition, count(*), max("offset") + 1 from events group by 1')
        )
        assert len(places) == 7
        assert all(count == end for _, count, end in places)
        order = 'select subject, id from events order by subject, partition, "offset"'
        found = [await each.instance.core.database.rows(named(order)) for each in (again, api)]
        assert found[0] == found[1]  # of each subject in the same order
        await _goes_on(again, hook, sent)
