"""Segments: exact exits by time, definitions that reach back into history, pulls and cursors."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from cdp import times
from cdp.times import SECOND
from tests.conftest import Api

DAY = 86_400 * SECOND
BUYERS = {"event": "order", "where": [{"property": "revenue", "gt": 50}], "within": "7d"}


async def order(api: Api, user: str, revenue: int = 99, ago: int = 0) -> None:
    call = {"userId": user, "event": "order", "properties": {"revenue": revenue}}
    stamp = {"timestamp": times.iso(times.now() - ago)}
    assert (await api.send("/v1/track", call | stamp)).status_code == 200


async def define(api: Api, key: str, where: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return await api.put(f"/segments/{key}", {"name": key, "where": where} | fields)


async def members(api: Api, key: str) -> list[str]:
    page = await api.get(f"/segments/{key}/members?limit=1000")
    return sorted(m["identifiers"]["user_id"][0] for m in page["members"])  # type: ignore[attr-defined]


async def changes(api: Api, key: str) -> list[tuple[str, str]]:
    page = await api.get(f"/segments/{key}/changes")
    return [(c["change"], c["cause"]) for c in page["changes"]]  # type: ignore[attr-defined]


async def test_an_exit_by_time_happens_at_its_instant(api: Api) -> None:
    await define(api, "buyers", BUYERS)
    await api.settle()
    await order(api, "ada", ago=7 * DAY - 2 * SECOND)
    await api.settle()
    assert await members(api, "buyers") == ["ada"]
    await api.instance.driver.jobs.fire_timers()
    await api.settle()
    assert await members(api, "buyers") == ["ada"], "a timer must not fire early"
    async with asyncio.timeout(10):
        while await members(api, "buyers"):
            await asyncio.sleep(0.05)
            await api.settle()
    page = await api.get("/segments/buyers/changes")
    entered, left = page["changes"]  # type: ignore[misc]
    assert (left["change"], left["cause"]) == ("left", "timer")
    assert times.parse(left["at"]) - times.parse(entered["at"]) < 8 * SECOND
    assert (await api.get("/profiles/user_id:ada"))["segments"] == []


async def test_absence_is_entered_by_time(api: Api) -> None:
    lapsed = {"all": [{"event": "order"}, {"event": "order", "count": {"eq": 0}, "within": "1d"}]}
    await define(api, "lapsed", lapsed)
    await api.settle()
    await order(api, "ada", ago=DAY - SECOND)
    await api.settle()
    assert await members(api, "lapsed") == []
    async with asyncio.timeout(10):
        while not await members(api, "lapsed"):
            await asyncio.sleep(0.05)
            await api.settle()
    assert await changes(api, "lapsed") == [("entered", "timer")]


async def test_a_new_definition_counts_all_of_history_while_events_go_on(api: Api) -> None:
    for number in range(30):
        await order(api, f"u{number}", revenue=10 * number)
    await api.settle()
    assert (await define(api, "buyers", BUYERS))["state"] == "building"
    builder = api.instance.driver.jobs.builder
    await builder.step()  # positions are pinned; what follows is counted live
    await builder.step()
    assert 0 < (await api.get("/segments/buyers"))["progress"] < 1  # type: ignore[operator]
    for number in range(30, 60):
        await order(api, f"u{number}", revenue=10 * number - 295)
    for stage in api.instance.driver.stages:
        await api.instance.driver.step(stage)
    await api.settle()
    expected = {f"u{n}" for n in range(30) if 10 * n > 50}
    expected |= {f"u{n}" for n in range(30, 60) if 10 * n - 295 > 50}
    assert set(await members(api, "buyers")) == expected
    segment = await api.get("/segments/buyers")
    assert (segment["state"], segment["size"], segment["progress"]) == ("live", len(expected), 1)


async def test_an_event_that_comes_twice_or_late_counts_once_and_in_its_place(api: Api) -> None:
    await define(api, "twice", {"event": "order", "count": {"gte": 2}, "within": "7d"})
    await api.settle()
    call = {"userId": "ada", "event": "order", "messageId": "m-1"}
    for _ in range(3):
        await api.send("/v1/track", call)
    await api.settle()
    assert await members(api, "twice") == []
    await order(api, "ada", ago=8 * DAY)
    await api.settle()
    assert await members(api, "twice") == []
    await order(api, "ada", ago=6 * DAY)
    await api.settle()
    assert await members(api, "twice") == ["ada"]


async def test_a_changed_definition_serves_the_old_answer_until_the_new_is_complete(
    api: Api,
) -> None:
    await define(api, "buyers", BUYERS)
    await api.settle()
    await order(api, "ada", revenue=99)
    await order(api, "bob", revenue=9)
    await api.settle()
    assert await members(api, "buyers") == ["ada"]
    cheap = {"event": "order", "where": [{"property": "revenue", "lt": 50}], "within": "7d"}
    await define(api, "buyers", cheap)
    await api.send("/v1/page", {"userId": "ada"})
    for stage in api.instance.driver.stages:
        await api.instance.driver.step(stage)
    assert await members(api, "buyers") == ["ada"]
    await api.settle()
    assert await members(api, "buyers") == ["bob"]
    by_event, *by_definition = await changes(api, "buyers")
    assert by_event[0] == "entered"
    assert sorted(by_definition) == [("entered", "definition"), ("left", "definition")]


async def test_saving_the_same_definition_again_changes_nothing(api: Api) -> None:
    first = await define(api, "buyers", BUYERS)
    await api.settle()
    again = await define(api, "buyers", BUYERS, name="Renamed")
    assert (again["state"], again["version"], again["name"]) == (
        "live",
        first["version"],
        "Renamed",
    )


async def test_deleting_a_segment_forgets_members_and_counters(api: Api) -> None:
    await define(api, "buyers", BUYERS)
    await order(api, "ada")
    await api.settle()
    assert (await api.call("DELETE", "/segments/buyers")).status_code == 204
    assert (await api.call("GET", "/segments/buyers/members")).status_code == 404
    await api.send("/v1/page", {"userId": "ada"})
    await api.settle()
    assert (await api.get("/profiles/user_id:ada"))["segments"] == []
    await define(api, "buyers", BUYERS)
    await api.settle()
    assert await members(api, "buyers") == ["ada"], "counted anew, not twice"


async def test_a_merge_does_not_enter_again_whoever_was_in(api: Api) -> None:
    await define(api, "visitors", {"event": "page"})
    await api.settle()
    for device in ("d1", "d2"):
        await api.send("/v1/page", {"anonymousId": device})
        await api.settle()
    assert len(await changes(api, "visitors")) == 2
    for device in ("d1", "d2"):
        await api.send("/v1/identify", {"userId": "ada", "anonymousId": device})
        await api.settle()
    profile = await api.get("/profiles/anonymous_id:d2")
    assert profile["identifiers"] == {"anonymous_id": ["d1", "d2"], "user_id": ["ada"]}
    assert profile["events"] == {"page": 2}
    assert len(await changes(api, "visitors")) == 2
    assert (await api.get("/segments/visitors"))["size"] == 1


async def test_a_former_profile_id_still_finds_the_person(api: Api) -> None:
    ids = set()
    for device in ("d1", "d2"):
        await api.send("/v1/page", {"anonymousId": device})
        await api.settle()
        ids.add((await api.get(f"/profiles/anonymous_id:{device}"))["profile_id"])
    for device in ("d1", "d2"):
        await api.send("/v1/identify", {"userId": "ada", "anonymousId": device})
    await api.settle()
    found = {(await api.get(f"/profiles/{each}"))["profile_id"] for each in ids}
    assert len(ids) == 2
    assert len(found) == 1
    assert found < ids


async def test_members_come_in_pages_or_as_a_stream(api: Api) -> None:
    await define(api, "visitors", {"event": "page"})
    calls = [{"type": "page", "userId": f"u{n:02}"} for n in range(25)]
    await api.send("/v1/batch", {"batch": calls})
    await api.settle()
    seen: list[str] = []
    cursor = ""
    while True:
        page = await api.get(f"/segments/visitors/members?limit=10&cursor={cursor}")
        seen += [m["identifiers"]["user_id"][0] for m in page["members"]]  # type: ignore[attr-defined]
        if page["next"] is None:
            break
        cursor = str(page["next"])
    assert sorted(seen) == [f"u{n:02}" for n in range(25)]
    headers = {
        "authorization": f"Bearer {api.instance.keys['api_key']}",
        "accept": "application/x-ndjson",
    }
    path = "/api/v1/segments/visitors/members?include=identifiers,traits"
    answer = await api.client.get(path, headers=headers)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["identifiers"]["user_id"][0] for line in lines] == seen
    assert all(line["traits"] == {} for line in lines)


async def test_changes_are_pulled_from_a_cursor_on(api: Api) -> None:
    await define(api, "visitors", {"event": "page"})
    await api.settle()
    after = -1
    for number in range(3):
        await api.send("/v1/page", {"userId": f"u{number}"})
        await api.settle()
        page = await api.get(f"/segments/visitors/changes?after={after}")
        assert len(page["changes"]) == 1  # type: ignore[arg-type]
        after = int(page["next"])  # type: ignore[call-overload]
    page = await api.get(f"/segments/visitors/changes?after={after}")
    assert (page["changes"], page["next"]) == ([], after)
