"""Results, live: what people were worth, by group, variant, channel and day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Api
from tests.integration.test_campaigns import add, define, journeys, sent
from tests.integration.test_deliveries import due_now
from tests.support.privacy import done
from tests.support.receiver import Receiver, receiving

PEOPLE = 24
WAIT = {"wait": "1d"}


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def send(**said: Any) -> dict[str, Any]:
    return {"send": {"channels": ["mail"], **said}}


async def order(api: Api, person: str, **properties: Any) -> None:
    call = {"userId": person, "event": "Order Completed", "properties": properties}
    await api.send("/v1/track", call)
    await api.settle()


async def results(api: Api, query: str = "") -> dict[str, Any]:
    found: Any = await api.get(f"/campaigns/cart/results{query}")
    return dict(found)


async def test_worth_is_what_the_goals_events_say_by_group(api: Api, hook: Receiver) -> None:
    goal = {"event": "Order Completed"}
    await define(api, hook, steps=[send(template="cart"), WAIT], goal=goal, holdout=0.5)
    for number in range(PEOPLE):
        await add(api, f"u{number}")
    for number in range(0, PEOPLE, 2):
        more = {"revenue": number} if number % 4 else {"total": str(number), "revenue": None}
        await order(api, f"u{number}", **more)
        await order(api, f"u{number}", revenue=1000)  # the goal is reached once
    held = {each["profile_id"] for each in await journeys(api, "?state=held_out")}
    names = {}
    for number in range(PEOPLE):
        profile = (await api.get(f"/profiles/user_id:u{number}"))["profile_id"]
        names[profile] = number
    found = (await results(api))["revenue"]
    for group, mine in (("held_out", held), ("treated", names.keys() - held)):
        worths = [names[each] if names[each] % 2 == 0 else 0 for each in mine]
        told = found[group]
        assert told["total"] == sum(worths)
        assert told["per_person"] == pytest.approx(sum(worths) / len(worths), abs=1e-5)
        assert told["low"] < told["per_person"] < told["high"]
    lift = found["lift"]
    by = found["treated"]["per_person"] - found["held_out"]["per_person"]
    assert lift["by"] == pytest.approx(by, abs=1e-5)
    assert lift["low"] < lift["by"] < lift["high"]
    (day,) = (await results(api))["revenue_by_day"].values()
    assert day["revenue"]["total"] == found["treated"]["total"]


async def test_the_property_that_the_goal_names_is_its_worth(api: Api, hook: Receiver) -> None:
    goal = {"event": "Order Completed", "value": "margin"}
    await define(api, hook, steps=[send(template="cart"), WAIT], goal=goal)
    for name, margin in (("ada", 7.5), ("bob", "much"), ("cy", None)):
        await add(api, name)
        await order(api, name, margin=margin, revenue=100)
    found = await results(api)
    assert found["revenue"]["treated"]["total"] == 7.5
    assert found["conversions"]["treated"]["count"] == 3
    assert found["revenue"]["lift"] is None
    await done(api, "erase", "user_id:ada")
    assert (await results(api))["revenue"]["treated"]["total"] == 0


async def test_variants_are_shared_out_by_weight_and_told_apart(api: Api, hook: Receiver) -> None:
    variants = [{"template": "cart", "weight": 3}, {"template": "last"}]
    goal = {"event": "Order Completed"}
    trigger = {"event": "Product Added"}
    await define(
        api, hook, steps=[send(variants=variants), WAIT], goal=goal, trigger=trigger, again="1s"
    )
    for number in range(PEOPLE):
        await add(api, f"u{number}")
    told = {each["identifiers"]["user_id"][0]: each["content"]["template"] for each in sent(hook)}
    assert len(told) == PEOPLE
    carts = [name for name, template in told.items() if template == "cart"]
    assert PEOPLE / 2 < len(carts) < PEOPLE
    for name in carts[:3]:
        await order(api, name, revenue=10)
    found = await results(api)
    assert {each["template"]: each["sent"]["count"] for each in found["messages"]} == {
        "cart": len(carts),
        "last": PEOPLE - len(carts),
    }
    assert found["variants"]["cart"]["conversions"]["count"] == 3
    assert found["variants"]["cart"]["revenue"]["total"] == 30
    assert found["variants"]["last"]["conversions"]["count"] == 0
    await add(api, "u0")  # who comes again is sent the same
    again = [each for each in sent(hook) if each["identifiers"]["user_id"] == ["u0"]]
    assert {each["content"]["template"] for each in again} == {told["u0"]}


async def test_whoever_the_next_channel_reached_counts_as_its(api: Api, hook: Receiver) -> None:
    broken = {"kind": "webhook", "url": "http://127.0.0.1:9/x", "max_attempts": 1}
    await api.put("/destinations/broken", broken | {"segments": ["buyers"]})
    step = {"send": {"template": "cart", "channels": ["broken", "mail"]}}
    said = {"kind": "webhook", "url": hook.url, "segments": ["buyers"]}
    await api.put("/destinations/mail", said)
    await define(api, hook, steps=[step, WAIT], goal={"event": "Order Completed"})
    await add(api, "ada")
    await due_now(api)
    await order(api, "ada", revenue=5)
    found = await results(api)
    assert found["channels"].keys() == {"mail"}
    assert found["channels"]["mail"]["revenue"]["total"] == 5


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"channels": ["mail"]}, "Say what to send: template or variants"),
        ({"template": "cart", "variants": [{"template": "cart"}] * 2}, "one of them"),
        ({"variants": [{"template": "cart"}]}, "variants"),
        ({"variants": [{"template": "cart"}, {"template": "none"}]}, "there is no template none"),
    ],
    ids=("nothing", "both", "one", "unknown"),
)
async def test_what_is_wrong_with_variants_is_named(
    api: Api, hook: Receiver, step: dict[str, Any], told: str
) -> None:
    await define(api, hook)
    said = {"name": "C", "trigger": {"call": True}, "purpose": "marketing_email"}
    steps = [{"send": {"channels": ["mail"], **step}}]
    answer = await api.call("PUT", "/campaigns/c", json=said | {"steps": steps})
    assert answer.status_code == 400
    assert told in answer.json()["detail"]


async def test_results_of_who_was_in_a_segment_when_they_began(api: Api, hook: Receiver) -> None:
    await api.put("/segments/gold", {"name": "Gold", "where": {"trait": "plan", "eq": "gold"}})
    await define(api, hook, steps=[send(template="cart"), WAIT], goal={"event": "Order Completed"})
    for person, plan in (("ada", "gold"), ("bob", "tin"), ("cy", "gold"), ("dan", "tin")):
        await api.send("/v1/identify", {"userId": person, "traits": {"plan": plan}})
        await add(api, person, allows=person != "cy")
    for person, plan in (("ada", "tin"), ("bob", "gold")):  # too late to count
        await api.send("/v1/identify", {"userId": person, "traits": {"plan": plan}})
    await order(api, "ada", revenue=30)
    await order(api, "dan", revenue=500)
    everybody, gold = await results(api), await results(api, "?segment=gold")
    assert everybody["conversions"]["treated"]["of"] == 4
    assert (gold["conversions"]["treated"]["count"], gold["conversions"]["treated"]["of"]) == (1, 2)
    assert gold["revenue"]["treated"]["total"] == 30
    (message,) = gold["messages"]
    assert (message["requested"], message["sent"]["count"], message["refused"]) == (2, 1, 1)
    assert gold["unsent"] == {"consent": 1}
    assert sum(day["begun"] for day in gold["days"]) == 2
    for wrong, status in (("silver", 404), ("No%00such", 400), ("", 400)):
        answer = await api.call("GET", f"/campaigns/cart/results?segment={wrong}")
        assert (answer.status_code, "segment" in answer.text) == (status, True)


async def test_results_by_segment_follow_who_is_merged(api: Api, hook: Receiver) -> None:
    await api.put("/segments/gold", {"name": "Gold", "where": {"trait": "plan", "eq": "gold"}})
    await define(api, hook, steps=[send(template="cart"), WAIT])
    for person in ("ada", "eve"):
        await api.send("/v1/identify", {"userId": person, "traits": {"plan": "gold"}})
        await add(api, person)
    for person in ("ada", "eve"):
        both = {"userId": person, "anonymousId": f"phone of {person}"}
        await api.send("/v1/track", {"anonymousId": both["anonymousId"], "event": "page"})
        await api.settle()
        await api.send("/v1/track", both | {"event": "page"})
        await api.settle()
    assert (await results(api, "?segment=gold"))["conversions"]["treated"]["of"] == 2
