"""Data quality over HTTP: what is counted, once, and nothing about anybody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cdp import times
from cdp.db import named
from cdp.quality import store
from cdp.quality.names import Names
from cdp.quality.sights import HOUR
from cdp.quality.store import Cell
from cdp.quality.tally import MOST_EVENTS, hour_of
from tests.conftest import Api
from tests.support.collected import quarantined
from tests.support.instances import api_on

ALL = named("select row_to_json(q)::text, measure from quality q")
NAMES = named("select encode(name, 'escape') from quality_names")


def order(message: str, /, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": "ada@example.com",
        "messageId": message,
        "properties": properties,
    }


async def send(api: Api, *messages: Any) -> None:
    assert (await api.send("/v1/batch", {"batch": list(messages)})).is_success


async def events(api: Api, query: str = "") -> list[Any]:
    answer: Any = await api.get(f"/quality{query}")
    return list(answer["events"])


async def before(api: Api, counts: dict[Cell, int]) -> None:
    """As if it had been received in earlier hours."""
    core = api.instance.core
    await store.add(core.database, Names(core.vault), counts)


async def test_what_came_is_counted_by_hour_with_types(api: Api) -> None:
    mixed = {"n": 1, "t": "x", "b": True, "o": {}, "l": [], "z": None}
    await send(api, order("1", **mixed), order("2", n=1.5), {"type": "page", "userId": "u"})
    await send(api, {"type": "identify", "userId": "u", "traits": {"age": 36}})
    found = {each["event"]: each for each in await events(api)}
    assert set(found) == {"Order Completed", "page", "identify"}
    assert found["identify"]["types"] == {"age": {"number": 1}}
    bought = found["Order Completed"]
    assert bought["types"] == {
        "n": {"number": 2},
        "t": {"string": 1},
        "b": {"boolean": 1},
        "o": {"object": 1},
        "l": {"array": 1},
        "z": {"null": 1},
    }
    (hour,) = bought["hourly"]
    assert hour == {
        "hour": times.iso(hour_of(times.now())),
        "received": 2,
        "duplicates": 0,
        "late": 0,
        "violations": 0,
    }
    assert (await events(api, "?event=page"))[0]["received"] == 1
    assert len(await events(api, "?source=1&limit=2")) == 2
    assert await events(api, "?source=2") == []


async def test_repeats_are_counted_whether_they_come_together_or_later(api: Api) -> None:
    await send(api, order("1"), order("1"), order("2"))
    await send(api, order("2"), order("3"))
    await api.get("/quality")
    await send(api, order("3"))
    (told,) = await events(api)
    assert (told["received"], told["duplicates"]) == (6, 3)
    assert 'cdp_duplicates_total{source="1"}' in (await api.client.get("/metrics")).text


async def test_what_comes_an_hour_after_it_happened_is_late(api: Api) -> None:
    now = times.now()
    stamps = [times.iso(now - minutes * 60 * times.SECOND) for minutes in (1, 59, 61, 6000)]
    await send(api, *(order(at) | {"timestamp": at} for at in stamps))
    (told,) = await events(api)
    assert (told["received"], told["late"], told["late_rate"]) == (4, 2, 0.5)
    assert 'cdp_late_total{source="1"}' in (await api.client.get("/metrics")).text


async def test_processes_add_to_the_same_sums(api: Api) -> None:
    async with api_on(api.instance) as other:
        for each in (api, other, api):
            await send(each, order("", n=1))
        await asyncio.gather(events(api), events(other))
        (told,) = await events(other)
        assert (told["received"], told["types"]) == (3, {"n": {"number": 3}})


async def test_a_type_that_was_not_there_before_is_drift(api: Api) -> None:
    hour = hour_of(times.now()) - 5 * HOUR
    cell = Cell(hour, 1, "Order Completed", "type", "revenue", "number")
    await before(api, {cell: 800, cell._replace(measure="received", property="", detail=""): 800})
    await send(api, order("1", revenue="51.2", fresh=1), order("2", revenue=None))
    (told,) = await events(api, "?hours=5")
    assert told["drift"] == [
        {"property": "revenue", "before": {"number": 800}, "now": {"string": 1}}
    ]
    (told,) = await events(api, "?hours=6")
    assert told["drift"] == []


async def test_an_hour_out_of_the_ordinary_is_told(api: Api) -> None:
    now = hour_of(times.now())
    cells = {
        Cell(now - hours * HOUR, 1, "Order Completed", "received"): 30 + hours % 5
        for hours in range(2, 50)
    }
    spike = Cell(now - 3 * HOUR, 1, "Order Completed", "received")
    await before(api, cells | {spike: 400})
    (told,) = await events(api, "?hours=24")
    assert [(each["hour"], each["kind"]) for each in told["anomalies"]] == [
        (times.iso(now - 3 * HOUR), "more"),
        (times.iso(now - HOUR), "fewer"),  # nothing came, and that hour is over
    ]
    assert told["anomalies"][0]["median"] == 32.0


async def test_nobody_makes_it_grow_and_nobody_is_in_it(api: Api) -> None:
    names = [f"made up {n}" for n in range(MOST_EVENTS + 50)]
    await send(api, *({"type": "track", "event": name, "userId": "u"} for name in names))
    await send(api, order("1", **{"ada@example.com": "ada@example.com", "n": "secret-value"}))
    await send(api, {"type": "track", "event": "for ada@example.com", "userId": "u"})
    found = await events(api, "?limit=1000")
    assert len(found) == MOST_EVENTS + 1
    assert found[0]["event"] == "(other)"
    told = str(found)
    assert ("ada" in told, "secret" in told) == (False, False)
    database = api.instance.core.database
    rows = [row[0] for query in (ALL, NAMES) for row in await database.rows(query)]
    assert len(rows) > 2 * MOST_EVENTS
    assert not [
        row for row in rows if "made up" in row or "Order" in row
    ]  # nor is any name in clear


async def test_what_is_held_against_a_plan_is_counted_once(api: Api) -> None:
    plan = {
        "owner": "o",
        "violations": "quarantine",
        "events": {"Order Completed": {"required": ["revenue"]}},
    }
    await api.put("/tracking-plans/1", plan)
    await send(api, order("1"))
    (told,) = await events(api)
    assert told["received"] == 1
    assert told["violations"] == [{"property": "revenue", "rule": "required", "count": 1}]
    await api.call("POST", "/quarantine/replay", json={})
    assert len(await quarantined(api)) == 1
    (again,) = await events(api)
    assert again == told


@pytest.mark.parametrize("query", ["?hours=0", "?hours=169", "?source=x", "?limit=0"])
async def test_what_is_not_understood_is_refused(api: Api, query: str) -> None:
    assert (await api.call("GET", f"/quality{query}")).status_code == 400


async def test_old_hours_are_forgotten(api: Api) -> None:
    old = hour_of(times.now()) - (store.KEPT_DAYS + 1) * 24 * HOUR
    await before(api, {Cell(old, 1, "e", "received"): 1, Cell(old + 48 * HOUR, 1, "e", "late"): 1})
    database = api.instance.core.database
    await store.clear(database, Names(api.instance.core.vault))
    assert [row[1] for row in await database.rows(ALL)] == ["late"]
    assert len(await database.rows(NAMES)) == 1
