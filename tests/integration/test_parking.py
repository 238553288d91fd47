"""A record that an agent cannot handle waits until the agent can, and is then handled like any."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cdp import main
from cdp.events import EVENTS
from cdp.instance import Running
from cdp.log.keyring import opened
from cdp.log.store import Record
from cdp.pipeline import Pipeline
from cdp.replay import until_quiet
from cdp.stream import parking
from cdp.stream.stage import Unit
from tests.conftest import Api

ORDER = {"type": "track", "event": "Order Completed", "properties": {"revenue": 5}}


async def parked(api: Api) -> list[tuple[str, str]]:
    async with api.instance.core.database.transaction() as connection:
        rows = await parking.listed(connection)
    return [(row["topic"], row["error"]) for row in rows]


async def test_after_the_fix_all_is_as_if_there_had_been_no_bug(
    api: Api, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, core = api.instance.driver, api.instance.core
    healthy = Pipeline.on_events

    async def buggy(self: Pipeline, unit: Unit, records: Sequence[Record]) -> None:
        boxes = await self.keyring.load(unit.connection, {record.key for record in records})
        if any(event.user_id == "poison" for _, event in opened(records, boxes)):
            raise ZeroDivisionError("of poison@example.com")
        await healthy(self, unit, records)

    await api.put("/segments/buyers", {"name": "b", "where": {"event": "Order Completed"}})
    monkeypatch.setattr(Pipeline, "on_events", buggy)
    driver.stages = main.stages(core, driver.pipeline, 500)
    batch = [
        {**ORDER, "userId": user, "messageId": f"{user} {number}"}
        for number in range(3)
        for user in ("ada", "poison", "bob")
    ]
    assert (await api.send("/v1/batch", {"batch": batch})).status_code == 200
    await api.settle()
    assert {topic for topic, _ in await parked(api)} == {EVENTS}
    assert len(await parked(api)) == 3
    assert all(error.startswith("ZeroDivisionError in buggy") for _, error in await parked(api))
    assert (await api.get("/segments/buyers"))["size"] == 2
    again = [each async for each in parking.retry(core.database, driver.stages)]
    assert len(again) == 3
    assert all(each.error.startswith("ZeroDivisionError") for each in again)

    monkeypatch.setattr(Pipeline, "on_events", healthy)
    driver.stages = main.stages(core, driver.pipeline, 500)
    again = [each async for each in parking.retry(core.database, driver.stages)]
    assert [each.error for each in again] == ["", "", ""]
    await api.settle()
    assert await parked(api) == []
    profile = await api.get("/profiles/user_id:poison")
    assert profile["events"] == {"Order Completed": 3}
    assert (await api.get("/segments/buyers"))["size"] == 3
    assert [each async for each in parking.retry(core.database, driver.stages)] == []
    async with main.replaying(api.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))
