"""Campaigns, live: who begins, what they are sent and when, who is not and why, what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cdp import main, times
from cdp.db import named
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.conftest import Api
from tests.integration.test_deliveries import decide, ledger
from tests.support.privacy import done
from tests.support.receiver import Receiver, receiving

HOUR = 3600 * times.SECOND
CART = {"event": "Product Added"}
SEND = {"send": {"template": "cart", "channels": ["mail"]}}


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def define(api: Api, hook: Receiver, **fields: Any) -> dict[str, Any]:
    """Segments, destinations, and a campaign for whoever puts something into a cart."""
    await api.put("/segments/carts", {"name": "Carts", "where": CART})
    await api.put("/segments/buyers", {"name": "B", "where": {"event": "Order Completed"}})
    hooked = {"kind": "webhook", "url": hook.url, "segments": ["carts"], "enabled": True}
    await api.put("/destinations/mail", hooked | {"segments": ["buyers"], "purpose": "necessary"})
    for name in ("cart", "thanks", "last", "n"):
        texts = {"en": {"line": "{{ person.name | default('you') }} {{ event.product | default }}"}}
        await api.put(f"/templates/{name}", {"name": name, "channel": "data", "texts": texts})
    said = {
        "name": "Cart",
        "trigger": {"segment": "carts"},
        "purpose": "marketing_email",
        "steps": [SEND],
    }
    made = await api.put("/campaigns/cart", said | fields)
    await api.settle()
    return made


async def add(api: Api, person: str, *, allows: bool = True, event: str = "Product Added") -> None:
    if allows:
        await decide(api, person, "granted")
    await api.send("/v1/track", {"userId": person, "event": event})
    await api.settle()


async def later(api: Api, micros: int) -> None:
    """As if so much time had passed for journeys under way."""
    await api.instance.core.database.rows(
        named("update journeys set due = due - :by, at = at - :by where due is not null"), by=micros
    )
    await api.settle()


def sent(hook: Receiver) -> list[dict[str, Any]]:
    return [each.json["data"] for each in hook.requests if each.json["type"] == "message"]


async def journeys(api: Api, query: str = "") -> list[dict[str, Any]]:
    return list((await api.get(f"/campaigns/cart/journeys{query}"))["journeys"])  # type: ignore[call-overload]


async def test_whoever_enters_is_sent_the_message_once(api: Api, hook: Receiver) -> None:
    await define(api, hook)
    await add(api, "ada")
    await add(api, "ada")
    (told,) = sent(hook)
    assert told["identifiers"] == {"user_id": ["ada"]}
    assert told["content"]["template"] == "cart"
    assert (told["content"]["campaign"], told["content"]["step"]) == ("cart", 1)
    (journey,) = await journeys(api, "?profile=user_id:ada")
    assert (journey["state"], journey["reason"]) == ("finished", "")
    (entry,) = await ledger(api, "?profile=user_id:ada")
    assert (entry["state"], entry["segment"], entry["change"]) == ("sent", "cart", "message")


async def test_without_consent_the_ledger_says_why_nothing_was_sent(
    api: Api, hook: Receiver
) -> None:
    await define(api, hook)
    await add(api, "ada", allows=False)
    assert sent(hook) == []
    (entry,) = await ledger(api, "?profile=user_id:ada")
    assert (entry["state"], entry["reason"]) == ("refused", "consent")
    found = await api.get("/campaigns/cart/results")
    assert found["unsent"] == {"consent": 1}


async def test_steps_wait_and_go_one_way_or_the_other(api: Api, hook: Receiver) -> None:
    fork = {
        "if": "buyers",
        "then": [{"send": {"template": "thanks", "channels": ["mail"]}}],
        "else": [SEND, {"wait": "1d"}, {"send": {"template": "last", "channels": ["mail"]}}],
    }
    await define(api, hook, steps=[{"wait": "2h"}, fork])
    await add(api, "ada")
    await add(api, "bob")
    await add(api, "bob", event="Order Completed")
    assert sent(hook) == []
    (waiting,) = await journeys(api, "?profile=user_id:ada")
    assert (waiting["state"], waiting["next_at"] is not None) == ("active", True)
    await later(api, 2 * HOUR)
    assert sorted(each["content"]["template"] for each in sent(hook)) == ["cart", "thanks"]
    await later(api, 24 * HOUR)
    assert [each["content"]["template"] for each in sent(hook)][2:] == ["last"]
    assert {each["state"] for each in await journeys(api)} == {"finished"}
    assert [each["content"]["step"] for each in sent(hook)][2:] == [3]


async def test_the_goal_ends_a_journey_and_counts_once(api: Api, hook: Receiver) -> None:
    goal = {"event": "Order Completed", "within": "7d"}
    await define(api, hook, steps=[{"wait": "2h"}, SEND], goal=goal)
    await add(api, "ada")
    await add(api, "bob")
    await add(api, "ada", event="Order Completed")
    await add(api, "ada", event="Order Completed")
    await later(api, 2 * HOUR)
    assert [each["identifiers"]["user_id"] for each in sent(hook)] == [["bob"]]
    (ada,) = await journeys(api, "?profile=user_id:ada")
    assert (ada["state"], ada["reason"], ada["converted_at"] is not None) == ("left", "goal", True)
    found: Any = await api.get("/campaigns/cart/results")
    assert found["conversions"]["treated"] | {"low": 0, "high": 0} == {
        "count": 1,
        "of": 2,
        "rate": 0.5,
        "low": 0,
        "high": 0,
    }


async def test_who_is_held_out_is_sent_nothing_and_measured(api: Api, hook: Receiver) -> None:
    goal = {"event": "Order Completed"}
    await define(api, hook, holdout=0.5, goal=goal)
    for number in range(30):
        await add(api, f"u{number}")
    for number in range(0, 30, 2):
        await add(api, f"u{number}", event="Order Completed")
    held = await journeys(api, "?state=held_out")
    assert 5 <= len(held) <= 25
    assert len(sent(hook)) == 30 - len(held)
    assert {each["profile_id"] for each in held}.isdisjoint(
        each["profile_id"] for each in sent(hook)
    )
    found: Any = await api.get("/campaigns/cart/results")
    told = found["conversions"]
    assert told["held_out"]["of"] == len(held)
    assert told["treated"]["count"] + told["held_out"]["count"] == 15
    assert told["uplift"]["low"] <= told["uplift"]["by"] <= told["uplift"]["high"]


async def test_a_paused_campaign_begins_and_sends_nothing(api: Api, hook: Receiver) -> None:
    await define(api, hook, steps=[{"wait": "1h"}, SEND])
    await add(api, "ada")
    assert (await api.call("POST", "/campaigns/cart/pause")).json()["paused"] is True
    await later(api, 2 * HOUR)
    await add(api, "bob")
    assert sent(hook) == []
    (bob,) = await journeys(api, "?profile=user_id:bob")
    assert (bob["state"], bob["reason"]) == ("refused", "paused")
    await api.call("POST", "/campaigns/cart/resume")
    await api.instance.core.database.rows(named("update journeys set woken = null"))
    await api.settle()
    assert [each["identifiers"]["user_id"] for each in sent(hook)] == [["ada"]]


async def test_who_may_begin_again_and_when(api: Api, hook: Receiver) -> None:
    trigger = {"event": "Product Added"}
    await define(api, hook, trigger=trigger, again="1d")
    await add(api, "ada")
    await add(api, "ada")
    assert len(sent(hook)) == 1
    await api.instance.core.database.rows(named("update journeys set at = at - :by"), by=25 * HOUR)
    await add(api, "ada")
    assert len(sent(hook)) == 2
    assert sorted(each["reason"] for each in await journeys(api)) == ["", "", "was in it lately"]


async def test_a_call_begins_it_once_for_each_id(api: Api, hook: Receiver) -> None:
    await define(api, hook, trigger={"call": True}, again="1s")
    await decide(api, "ada", "granted")
    await api.send("/v1/track", {"userId": "ada", "event": "Seen"})
    await api.settle()
    for _ in range(2):
        call = {"profile": "user_id:ada", "id": "order-7"}
        answer = await api.call("POST", "/campaigns/cart/trigger", json=call)
        assert answer.status_code == 200
        await api.settle()
    assert len(sent(hook)) == 1


async def test_the_next_channel_is_taken_where_the_first_may_not(api: Api, hook: Receiver) -> None:
    purpose = {"name": "News", "by_default": "denied", "channels": ["email", "push"]}
    await api.put("/consent/purposes/news", purpose)
    for key, by in (("push", "push"), ("letter", "email")):
        said = {"kind": "webhook", "url": hook.url, "segments": ["buyers"], "channel": by}
        await api.put(f"/destinations/{key}", said)
    steps = [{"send": {"template": "n", "channels": ["push", "letter"]}}]
    await define(api, hook, purpose="news", steps=steps)
    await api.put("/consent/user_id:ada", {"purpose": "news.email", "state": "granted"})
    await add(api, "ada", allows=False)
    (entry,) = await ledger(api, "?profile=user_id:ada")
    assert (entry["destination"], entry["state"], entry["purpose"]) == (
        "letter",
        "sent",
        "news.email",
    )


async def test_erasure_leaves_no_journey(api: Api, hook: Receiver) -> None:
    await define(api, hook, steps=[{"wait": "1h"}, SEND])
    await add(api, "ada")
    await add(api, "bob")
    (bob,) = await journeys(api, "?profile=user_id:bob")
    await done(api, "erase", "user_id:ada")
    assert await journeys(api) == [bob]
    await later(api, 2 * HOUR)
    assert [each["identifiers"]["user_id"] for each in sent(hook)] == [["bob"]]


async def test_a_replay_begins_nothing_and_sends_nothing(
    api: Api, hook: Receiver, running: Running
) -> None:
    await define(api, hook, trigger={"event": "Product Added"}, goal={"event": "Order Completed"})
    await add(api, "ada")
    before = await journeys(api)
    async with main.replaying(api.instance.settings, running) as replay:
        comparisons = await until_quiet(replay)
        assert all(each.equal for each in comparisons), comparisons
        await replay.replace()
    await api.settle()
    assert (len(sent(hook)), await journeys(api)) == (1, before)


async def test_what_is_not_there_is_named(api: Api, hook: Receiver) -> None:
    await define(api, hook)
    said = {"name": "C", "trigger": {"segment": "none"}, "purpose": "marketing_email"}
    for fields, told in (
        ({"steps": [SEND]}, "there is no segment none"),
        ({"steps": [{"send": {"template": "t", "channels": ["x"]}}]}, "there is no segment none"),
        (
            {
                "trigger": {"call": True},
                "steps": [{"send": {"template": "x", "channels": ["mail"]}}],
            },
            "there is no template x",
        ),
        ({"steps": [{}]}, "A step is one of send, wait and if."),
        ({"steps": [SEND], "trigger": {}}, "Say what begins it"),
        (
            {
                "trigger": {"call": True},
                "steps": [{"send": {"template": "n", "channels": ["x"]}}],
            },
            "there is no destination x",
        ),
    ):
        answer = await api.call("PUT", "/campaigns/c", json=said | fields)
        assert answer.status_code == 400
        assert told in answer.json()["detail"]
    refused = await api.call("DELETE", "/segments/carts")
    assert (refused.status_code, "campaign cart" in refused.json()["detail"]) == (409, True)
