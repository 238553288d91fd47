"""Tracking plans over HTTP: versions, and what becomes of events that are not as planned."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from cdp.collect import keys
from tests.conftest import Api
from tests.support.collected import one_stored, quarantined, reasons, stored
from tests.support.instances import api_on

ORDER = {
    "required": ["revenue"],
    "properties": {"revenue": {"type": "number"}},
    "additionalProperties": False,
}
PLAN = {"owner": "shop team", "events": {"Order Completed": ORDER}}
SECONDS = 10.0
OTHER_KEY = "c" + "o" * 24


def order(message: str, /, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": "ada",
        "messageId": message,
        "properties": properties,
    }


async def plan(api: Api, **said: Any) -> Any:
    return await api.put("/tracking-plans/1", PLAN | said)


async def send(api: Api, *messages: Any, **headers: str) -> None:
    answer = await api.send("/v1/batch", {"batch": list(messages)}, **headers)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


async def violations(api: Api) -> Any:
    told: Any = await api.get("/quality?event=Order Completed")
    (event,) = told["events"]
    return event["violations"]


async def test_every_change_is_a_version_that_stays_readable(api: Api) -> None:
    first = await plan(api)
    assert first.pop("created_at")
    assert first == {"source": 1, "version": 1, "unplanned": "allow", "violations": "allow"} | PLAN
    assert (await plan(api))["version"] == 1  # it says the same
    assert (await plan(api, owner="data team"))["version"] == 2
    assert (await api.call("DELETE", "/tracking-plans/1")).status_code == 204
    for gone in ("/tracking-plans/1", "/tracking-plans/1?version=3"):
        answer = await api.call("GET", gone)
        assert (answer.status_code, "versions 1, 2" in answer.text) == (404, True)
    assert (await api.call("DELETE", "/tracking-plans/1")).status_code == 404
    old: Any = await api.get("/tracking-plans/1?version=1")
    assert old["owner"] == "shop team"
    told = [(each["version"], each["owner"], each["deleted"]) for each in old["versions"]]
    assert told == [(1, "shop team", False), (2, "data team", False), (3, None, True)]
    assert await api.get("/tracking-plans") == {"plans": []}
    assert (await plan(api))["version"] == 4
    (listed,) = (await api.get("/tracking-plans"))["plans"]  # type: ignore[misc]
    assert listed["version"] == 4


async def test_a_plan_that_is_none_is_refused_with_the_place(api: Api) -> None:
    wrong = {"properties": {"revenue": {"type": "money"}}}
    body = {"owner": "o", "events": {"Order Completed": wrong}}
    answer = await api.call("PUT", "/tracking-plans/1", json=body)
    assert (answer.status_code, answer.json()["field"]) == (
        400,
        "events.Order Completed.properties.revenue.type",
    )
    for source, status in (("2", 404), ("x", 400), ("0", 400), (str(1 << 40), 400)):
        answer = await api.call("PUT", f"/tracking-plans/{source}", json=PLAN)
        assert answer.status_code == status


async def test_what_is_allowed_is_stored_as_it_came_and_counted(api: Api) -> None:
    await plan(api)
    await send(api, order("1", revenue=5), order("2", revenue="5", colour="red"))
    assert [event.properties for event in await stored(api)] == [
        {"revenue": 5},
        {"revenue": "5", "colour": "red"},
    ]
    assert await violations(api) == [
        {"property": "colour", "rule": "additionalProperties", "count": 1},
        {"property": "revenue", "rule": "type", "count": 1},
    ]


async def test_stripping_stores_the_rest(api: Api) -> None:
    await plan(api, violations="strip")
    await send(api, order("1", revenue=5, colour="red"), order("2", revenue="5"))
    assert [event.properties for event in await stored(api)] == [{"revenue": 5}, {}]
    assert {each["rule"] for each in await violations(api)} == {
        "additionalProperties",
        "type",
        "required",
    }
    metrics = (await api.client.get("/metrics")).text
    assert 'cdp_violating_total{outcome="stripped",source="1"}' in metrics


async def test_a_refused_event_waits_until_the_plan_is_mended(api: Api) -> None:
    await plan(api, violations="quarantine", unplanned="quarantine")
    sale = order("3") | {"event": "Sale"}
    await send(api, order("1", revenue=5), order("2", revenue="5"), sale)
    assert (await one_stored(api)).message_id == "1"
    type_, unplanned = await quarantined(api)
    assert type_["reason"] == ("properties.revenue: breaks 'type' of the tracking plan (version 1)")
    assert (type_["field"], type_["message"]) == ("properties.revenue", order("2", revenue="5"))
    assert unplanned["reason"] == "event: is not in the tracking plan (version 1)"
    still = await api.call("POST", "/quarantine/replay", json={})
    assert still.json()["replayed"] == 0
    await plan(api, events={"Order Completed": {}, "Sale": {}}, violations="quarantine")
    done = await api.call("POST", "/quarantine/replay", json={})
    assert done.json() == {"replayed": 2, "refused": []}
    assert [event.message_id for event in await stored(api)] == ["1", "2", "3"]


async def test_strict_callers_are_told_and_nothing_of_it_is_kept(api: Api) -> None:
    await plan(api, violations="quarantine")
    bad = order("2", revenue="5") | {"context": {"consent": {"gpc": True}}}
    answer = await api.send("/v1/batch", {"batch": [bad]}, **{"x-strict-mode": "1"})
    assert answer.status_code == 400
    assert "breaks 'type'" in answer.json()["results"][0]["reason"]
    assert (await stored(api), await quarantined(api)) == ([], [])
    assert (await api.get("/quality"))["events"] == []


async def test_calls_that_are_not_behaviour_and_other_sources_are_let_alone(api: Api) -> None:
    await plan(api, unplanned="quarantine", violations="quarantine")
    await send(api, {"type": "identify", "userId": "ada", "traits": {"age": "x"}})
    async with api.instance.core.database.transaction() as connection:
        await keys.add_source(connection, "other", OTHER_KEY)
    await send(api, order("1", revenue="x"), **{"x-write-key": OTHER_KEY})
    assert len(await stored(api)) == 2


DENIED = {"context": {"consent": {"categoryPreferences": {"marketing": False}}}}


async def test_a_decision_does_not_wait_in_quarantine(api: Api) -> None:
    await plan(api, violations="quarantine")
    await send(api, order("1", revenue="x") | DENIED)
    decision = await one_stored(api)
    assert (decision.type, decision.properties) == ("consent", {})
    assert len(await quarantined(api)) == 1
    await api.settle()
    told: Any = await api.get("/consent/user_id:ada")
    assert told["state"]["sale_or_share"] == "denied"
    await plan(api)
    await api.call("POST", "/quarantine/replay", json={})
    assert sorted(event.type for event in await stored(api)) == ["consent", "track"]


async def test_of_who_said_no_nothing_waits_in_quarantine_either(api: Api) -> None:
    await plan(api, violations="quarantine")
    await api.put("/consent/user_id:ada", {"purpose": "analytics", "state": "denied"})
    await api.settle()
    await send(api, order("1", revenue="x"))
    assert await quarantined(api) == []
    assert [event.type for event in await stored(api)] == ["consent"]


async def test_nor_of_who_is_suppressed(api: Api) -> None:
    await plan(api, violations="quarantine")
    asked = {"kind": "suppress", "identifier": "user_id:ada"}
    assert (await api.call("POST", "/privacy/requests", json=asked)).is_success
    await api.settle()
    await send(api, order("1", revenue="x"))
    assert (await quarantined(api), await stored(api)) == ([], [])


async def test_another_process_goes_by_a_change_within_a_second(api: Api) -> None:
    async with api_on(api.instance) as other:
        await plan(api, violations="quarantine")
        deadline = time.monotonic() + SECONDS
        number = 0
        while not await reasons(api):
            assert time.monotonic() < deadline
            number += 1
            await send(other, order(str(number), revenue="x"))
            await asyncio.sleep(0.01)
