"""A destination that subscribes to computed traits is told when they change, once for many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cdp import refreshing
from cdp.db import named
from tests.conftest import Api
from tests.integration.test_destination_kinds import Warehouse
from tests.integration.test_destination_kinds import warehouse as _warehouse
from tests.support.privacy import done
from tests.support.receiver import Receiver, receiving

ORDER = {"event": "Order Completed"}
WORTH = {"name": "Worth", "value": {**ORDER, "sum": {"of": "revenue"}}}
warehouse = _warehouse


@pytest.fixture
async def hook(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setattr(refreshing, "PATIENCE", 0)
    async with receiving() as receiver:
        yield receiver


async def connect(api: Api, hook: Receiver, **more: Any) -> None:
    await api.put("/segments/buyers", {"name": "B", "purpose": "analytics", "where": ORDER})
    await api.put("/traits/worth", WORTH)
    said = {
        "kind": "webhook",
        "url": hook.url,
        "segments": ["buyers"],
        "computed": {"ltv": "worth"},
    }
    await api.put("/destinations/crm", said | more)
    await api.settle()


async def buy(api: Api, revenue: float, user: str = "ada") -> None:
    order = {"type": "track", "userId": user, **ORDER, "properties": {"revenue": revenue}}
    assert (await api.send("/v1/batch", {"batch": [order]})).is_success


def told(hook: Receiver) -> list[tuple[str, Any]]:
    found = (request.json for request in hook.requests)
    return [(each["type"], each["data"]["computed"].get("ltv")) for each in found]


async def test_a_change_is_told_and_nothing_else(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await buy(api, 10)
    await api.settle()
    assert told(hook) == [("segment.entered", 10)]
    await buy(api, 5)
    await buy(api, 6)
    await api.settle()
    assert told(hook) == [("segment.entered", 10), ("segment.updated", 21)]
    assert (await api.send("/v1/page", {"userId": "ada"})).is_success
    await api.settle()
    assert len(hook.requests) == 2
    ledger: Any = (await api.get("/deliveries"))["deliveries"]
    assert [(e["change"], e["segment"], e["purpose"]) for e in ledger] == [
        ("entered", "buyers", "analytics"),
        ("updated", "buyers", "analytics"),
    ]


async def test_one_is_under_way_at_most(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await buy(api, 10)
    await api.settle()
    hook.answer = lambda request: (500, {"Retry-After": "600"})
    for _ in range(3):
        await buy(api, 1)
        await api.settle()
    assert len(hook.requests) == 2
    hook.answer = lambda request: (200, {})
    database = api.instance.core.database
    await database.rows(named("update deliveries set due = 1 where due is not null"))
    await api.instance.driver.jobs.retry_deliveries()
    await api.settle()
    assert told(hook)[-1] == ("segment.updated", 13)
    assert len((await api.get("/deliveries"))["deliveries"]) == 2  # type: ignore[arg-type]


async def test_who_left_meanwhile_is_not_told_of(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await buy(api, 10)
    await api.settle()
    await buy(api, 5)
    events, touched, _ = api.instance.driver.stages
    while await api.instance.driver.step(events) or await api.instance.driver.step(touched):
        pass
    assert await api.instance.driver.jobs.refreshing.step()
    other = {"name": "B", "purpose": "analytics", "where": {"event": "Never"}}
    await api.put("/segments/buyers", other)
    while await api.instance.driver.jobs.builder.step():
        while await api.instance.driver.step(touched):
            pass
    await api.settle()
    ledger: Any = (await api.get("/deliveries"))["deliveries"]
    assert {(e["change"], e["state"], e["reason"]) for e in ledger} == {
        ("entered", "sent", ""),
        ("updated", "refused", "not in the segment any more"),
        ("left", "sent", ""),
    }


async def test_nobody_is_queued_where_nobody_subscribes(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    waiting = named(
        "select (select count(*) from computed_due), (select count(*) from computed_told)"
    )
    database = api.instance.core.database
    await buy(api, 10)
    await api.settle()
    assert tuple((await database.rows(waiting))[0]) == (0, 1)
    await done(api, "erase", "user_id:ada")
    assert tuple((await database.rows(waiting))[0]) == (0, 0)
    await api.put("/destinations/crm", {"kind": "webhook", "url": hook.url})
    hook.requests.clear()
    await buy(api, 10, "bob")
    events, touched, _ = api.instance.driver.stages
    while await api.instance.driver.step(events) or await api.instance.driver.step(touched):
        pass
    assert tuple((await database.rows(waiting))[0]) == (0, 0)


async def test_a_table_has_the_new_value_in_every_row(
    api: Api, hook: Receiver, warehouse: Warehouse
) -> None:
    await connect(api, hook, enabled=False)
    await api.put("/segments/more", {"name": "M", "purpose": "analytics", "where": ORDER})
    await api.settle()
    kept = {"traits": {}, "computed": {"ltv": "worth"}}
    await api.put("/destinations/lake", warehouse.settings() | kept)
    await buy(api, 10)
    await api.settle()
    await buy(api, 5)
    await api.settle()
    rows = await warehouse.rows()
    assert {(row["member"], row["ltv"]) for row in rows} == {(True, "15")}


async def test_what_a_destination_is_told_of_is_not_deleted(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    refused = await api.call("DELETE", "/traits/worth")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "worth is used by destination crm; change or delete them first",
    )
