"""Campaigns by schedule and by events with conditions, live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from cdp import times
from cdp.db import named
from cdp.scheduler import scheduling
from tests.conftest import Api
from tests.integration.test_campaigns import add, define, journeys, sent
from tests.integration.test_deliveries import decide
from tests.support.receiver import Receiver, receiving

HOUR = 3600 * times.SECOND
LATER = named("update campaign_versions set made_at = made_at - make_interval(hours => 80)")
AGAIN = named("update journeys set at = at - 3600000000")


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def wall(hours: float) -> str:
    """What a clock in UTC showed so many hours ago."""
    shown = times.to_datetime(times.now()) - timedelta(hours=hours)
    return shown.replace(tzinfo=None, microsecond=0).isoformat()


async def schedule(api: Api, hook: Receiver, when: dict[str, Any], **more: Any) -> None:
    """A campaign for all carts at that time; as if it had been there for days."""
    await define(api, hook, trigger={"schedule": when}, audience="carts", **more)
    await api.instance.core.database.rows(LATER)


async def came(api: Api) -> dict[str, Any]:
    found: Any = await api.get("/campaigns/cart/results")
    return dict(found["occurrences"])


async def five(api: Api, hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many with a cart, who begin two at a time."""
    monkeypatch.setattr(scheduling, "SLICE", 2)
    await define(api, hook, trigger={"call": True})
    for number in range(5):
        await add(api, f"u{number}")


async def test_everybody_in_the_audience_begins_once(
    api: Api, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await five(api, hook, monkeypatch)
    await add(api, "looker", event="Seen")
    shown = wall(0.5)
    await schedule(api, hook, {"at": shown})
    await api.settle()
    assert len(sent(hook)) == len({each["profile_id"] for each in sent(hook)}) == 5
    told = (await came(api))[shown]
    assert (told["state"], told["begun"], told["late"]) == ("done", 5, 0)
    assert {each["cause"] for each in await journeys(api)} == {f"schedule {shown}"}
    await api.settle()
    assert len(sent(hook)) == 5


async def test_a_slice_that_dies_is_begun_again_and_nobody_twice(
    api: Api, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the commit of each slice, and the agent too in the middle."""
    await five(api, hook, monkeypatch)
    await schedule(api, hook, {"at": wall(0.2)})
    work, emit = api.instance.driver.jobs.scheduling, scheduling.log_store.emit

    class Killed(BaseException):
        pass

    async def dies(*args: Any) -> None:
        await emit(*args)
        raise Killed

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(scheduling.log_store, "emit", dies)
            with pytest.raises(Killed):
                await work.step()
        assert await work.step()
    await api.settle()
    assert len(sent(hook)) == len({each["profile_id"] for each in sent(hook)}) == 5
    assert len(await journeys(api)) == 5


async def test_the_last_missed_one_is_begun_if_it_is_not_an_hour_late(
    api: Api, hook: Receiver
) -> None:
    await define(api, hook, trigger={"call": True})
    await add(api, "ada")
    minute = times.to_datetime(times.now() - HOUR // 4).minute
    await schedule(api, hook, {"cron": f"{minute} * * * *"}, again="1h")
    await api.settle()
    states = [each["state"] for each in (await came(api)).values()]
    assert (states[0], set(states[1:]), len(states) > 70) == ("done", {"missed"}, True)
    assert len(sent(hook)) == 1


async def test_one_that_is_late_for_more_than_an_hour_says_so(api: Api, hook: Receiver) -> None:
    await define(api, hook, trigger={"call": True})
    await add(api, "ada")
    shown = wall(1.5)
    await schedule(api, hook, {"at": shown})
    await api.settle()
    assert (sent(hook), await journeys(api)) == ([], [])
    told = (await came(api))[shown]
    assert (told["state"], "within an hour" in told["reason"]) == ("missed", True)


async def test_a_paused_campaign_lets_its_time_pass(api: Api, hook: Receiver) -> None:
    await define(api, hook, trigger={"call": True})
    await add(api, "ada")
    shown = wall(0.1)
    await schedule(api, hook, {"at": shown})
    await api.call("POST", "/campaigns/cart/pause")
    await api.settle()
    assert (await came(api))[shown]["reason"] == "paused"
    await api.call("POST", "/campaigns/cart/resume")
    await api.settle()
    assert sent(hook) == []


async def test_it_comes_to_everybody_where_they_live(api: Api, hook: Receiver) -> None:
    """The time is now in New York: in Los Angeles it comes later, in Halifax it is over."""
    await define(api, hook, trigger={"call": True})
    zones = ("America/New_York", "America/Los_Angeles", "America/Halifax")
    for zone in zones:
        await decide(api, zone, "granted")
        call = {"userId": zone, "event": "Product Added", "context": {"timezone": zone}}
        await api.send("/v1/track", call)
    await api.settle()
    there = times.to_datetime(times.now()).astimezone(times_zone("America/New_York"))
    shown = there.replace(tzinfo=None, microsecond=0) - timedelta(minutes=10)
    await schedule(api, hook, {"at": shown.isoformat(), "timezone": "person"})
    await api.settle()
    assert [each["identifiers"]["user_id"] for each in sent(hook)] == [["America/New_York"]]
    (waits,) = await journeys(api, "?state=active")
    assert times.parse(waits["next_at"]) - times.now() > 2 * HOUR
    told = (await came(api))[shown.isoformat()]
    assert (told["begun"], told["late"]) == (2, 1)


def times_zone(name: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


async def test_who_leaves_the_audience_before_it_comes_to_them_is_sent_nothing(
    api: Api, hook: Receiver
) -> None:
    await define(api, hook, trigger={"call": True})
    await decide(api, "ada", "granted")
    context = {"timezone": "America/Los_Angeles"}
    await api.send("/v1/track", {"userId": "ada", "event": "Product Added", "context": context})
    await api.settle()
    shown = times.to_datetime(times.now()).replace(tzinfo=None, microsecond=0)
    when = {"at": shown.isoformat(), "timezone": "person"}
    await schedule(api, hook, when)
    await api.settle()
    assert len(await journeys(api, "?state=active")) == 1
    await api.put("/segments/carts", {"name": "Carts", "where": {"event": "Nothing"}})
    await api.settle()
    await api.instance.core.database.rows(
        named("update journeys set due = due - :by where due is not null"), by=12 * HOUR
    )
    await api.settle()
    (ada,) = await journeys(api)
    assert (ada["state"], ada["reason"], sent(hook)) == ("left", "not in carts", [])


async def test_an_event_begins_it_if_its_properties_are_so(api: Api, hook: Receiver) -> None:
    where = [
        {"property": "total", "gt": 50},
        {"not": {"property": "items.sku", "contains": "gift"}},
    ]
    await define(api, hook, trigger={"event": "Order Completed", "where": where}, again="1s")
    await decide(api, "ada", "granted")
    for properties in (
        {"total": 51, "n": 1},
        {"total": 50},
        {},
        {"total": 99, "items": [{"sku": "gift"}]},
    ):
        call = {"userId": "ada", "event": "Order Completed", "properties": properties}
        await api.send("/v1/track", call)
        await api.settle()
    assert len(await journeys(api)) == len(sent(hook)) == 1


async def test_one_condition_may_stand_by_itself(api: Api, hook: Receiver) -> None:
    either = {"any": [{"property": "plan", "eq": "pro"}, {"property": "seats", "gte": 10}]}
    await define(api, hook, trigger={"event": "Upgraded", "where": either})
    for who, properties in (("ada", {"plan": "pro"}), ("bob", {"seats": 3}), ("cy", {"seats": 12})):
        await decide(api, who, "granted")
        call = {"userId": who, "event": "Upgraded", "properties": properties}
        await api.send("/v1/track", call)
    await api.settle()
    told = [each["identifiers"]["user_id"][0] for each in sent(hook)]
    assert sorted(told) == ["ada", "cy"]


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        ({"event": "E", "where": [{"property": "a"}]}, "trigger.where[0]: Say what to compare"),
        ({"event": "E", "where": [{"propert": "a"}]}, "trigger.where[0]"),
        ({"segment": "carts", "where": [{"property": "a", "eq": 1}]}, "where goes with event"),
        ({"schedule": {"cron": "0 9 * *"}}, "trigger.schedule.cron: must have five fields"),
        ({"schedule": {"cron": "0 9 1 * 1"}}, "not both"),
        ({"schedule": {"at": "2026-13-01T09:00"}}, "month must be in 1..12"),
        ({"schedule": {"at": "2026-12-01T09:00", "cron": "0 9 * * *"}}, "Say when: cron or at"),
        ({"schedule": {"cron": "0 9 * * *", "timezone": "Mars"}}, "Must be a time zone's name"),
        ({"schedule": {"cron": "0 9 * * *"}}, "audience: Must be there with a schedule"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_wrong_with_a_trigger_is_named(
    api: Api, hook: Receiver, trigger: dict[str, Any], told: str
) -> None:
    await define(api, hook)
    send = {"send": {"template": "cart", "channels": ["mail"]}}
    said = {"name": "C", "trigger": trigger, "purpose": "marketing_email", "steps": [send]}
    answer = await api.call("PUT", "/campaigns/c", json=said)
    assert answer.status_code == 400
    assert told in answer.json()["detail"]
