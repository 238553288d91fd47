"""A propensity live: months in by HTTP, probabilities out, watched and learned anew."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from prometheus_client import generate_latest

from cdp import metrics, times
from cdp.modelling.hindsight import Looking
from profiles.language.spans import DAY
from profiles.learning.protocol import Lesson
from profiles.models import store
from profiles.models.fits import KEPT, begin, find
from tests.conftest import Api
from tests.support.weeks import HORIZON, NOW, did, life, stay

WILL_BUY = {
    "kind": "propensity",
    "name": "Will order within a week",
    "goal": {"event": "Order Completed", "where": [{"property": "revenue", "gt": 5}]},
    "horizon": f"{HORIZON}d",
    "features": {"carts": "count('Product Added', 7d)"},
    "ready": ["recency", "frequency"],  # nothing that goes by the time of the day
}


async def tell(api: Api, *events: dict[str, Any]) -> None:
    for start in range(0, len(events), 400):
        answer = await api.send("/v1/batch", {"batch": events[start : start + 400]})
        assert answer.status_code == 200, answer.text
    await api.settle()


async def said(api: Api, name: str, trait: str = "will_buy") -> Any:
    """What is predicted of somebody."""
    return (await api.get(f"/profiles/user_id:{name}"))["computed"].get(trait)


@pytest.fixture
async def shop(api: Api) -> Api:
    """150 people over eight weeks; and a model of them."""
    await tell(api, *(each for n in range(150) for each in life(f"p{n}", n)))
    await tell(api, did("keen", "page", 3), did("keen", "Product Added", 2))
    await tell(api, did("idle", "page", 3))
    await api.put("/models/will_buy", WILL_BUY)
    await api.settle()
    return api


async def test_from_the_past_to_a_probability_with_reasons(shop: Api) -> None:
    model: Any = await shop.get("/models/will_buy")
    assert (model["state"], model["error"]) == ("live", ""), model
    report = model["fit"]["report"]
    assert report["measures"]["auc"]["low"] > 0.7, report["measures"]
    assert report["split"]["measured_on"]["people"] == 150
    assert len(report["split"]["learned_from"]["as_of"]) == 4
    assert report["weights"][0]["feature"] == "carts"
    assert model["definition"]["goal"]["event"] == "Order Completed"

    keen, idle = await said(shop, "keen"), await said(shop, "idle")
    assert keen > 0.6 > 0.3 > idle, (keen, idle)
    why: Any = await shop.get("/profiles/user_id:keen/models/will_buy/explain")
    assert why["value"] == pytest.approx(keen, abs=0.02)
    assert why["version"] == 1
    assert (why["reasons"][0]["feature"], why["reasons"][0]["value"]) == ("carts", 1.0)
    assert why["reasons"][0]["moves"] > 0.3

    await shop.put("/segments/keen", {"name": "Keen", "where": "computed.will_buy > 0.6"})
    await shop.settle()
    before = (await shop.get("/segments/keen"))["size"]
    await tell(shop, did("idle", "Product Added", 0.01))
    assert await said(shop, "idle") > 0.6
    assert (await shop.get("/segments/keen"))["size"] == before + 1


async def test_who_withdraws_is_neither_learned_from_nor_judged(shop: Api) -> None:
    assert await said(shop, "p1") is not None
    await shop.put("/consent/user_id:p1", {"purpose": "profiling", "state": "denied"})
    await fit(shop)
    latest = (await fits(shop))[0]
    assert latest["report"]["split"]["measured_on"]["people"] == 149
    assert await said(shop, "p1") is None
    why: Any = await shop.get("/profiles/user_id:p1/models/will_buy/explain")
    assert (why["value"], why["reasons"]) == (None, [])


@pytest.mark.parametrize("turned", [False, True])
async def test_a_model_is_watched_and_learned_anew_when_it_has_lost(
    shop: Api, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    later(monkeypatch, days=2)  # nothing can be known yet: it rests, and people are looked at anew
    await shop.settle()
    assert [each["state"] for each in await fits(shop)] == ["done"]
    assert await said(shop, "keen") is not None

    later(monkeypatch, days=HORIZON + 0.5)
    luck, orders = Random(1), []
    for n in range(150):
        carts = [each for each in life(f"p{n}", n) if each["event"] == "Product Added"]
        recent = any(each["timestamp"] > (NOW - timedelta(HORIZON)).isoformat() for each in carts)
        if luck.random() < (0.85 if recent != turned else 0.1):
            orders.append(did(f"p{n}", "Order Completed", -luck.uniform(1, 7), revenue=20))
    await tell(shop, *orders)
    latest, first = (await fits(shop))[:2]
    drift = latest["report"]["drift"]
    assert drift["people"] == 152
    model: Any = await shop.get("/models/will_buy")
    if turned:
        assert (latest["state"], drift["verdict"]) == ("done", "dropped")
        assert drift["drop"] > 0.1
        assert model["fit"]["version"] == latest["version"] == 2
    else:
        assert (latest["state"], drift["verdict"]) == ("kept", "holds"), drift
        assert drift["drop"] < 0.1
        assert model["fit"]["version"] == first["version"] == 1
    assert f'outcome="{latest["state"]}"}}' in shown()

    metrics.model_auc.clear()  # as in a process that has just begun
    metrics.model_auc_drop.clear()
    assert "cdp_model_auc{" not in shown()
    await shop.instance.driver.jobs.recall_models()
    auc = (latest["report"].get("measures") or drift)["auc"]["value"]
    assert f'cdp_model_auc{{model="will_buy"}} {auc}' in shown()
    assert f'cdp_model_auc_drop{{model="will_buy"}} {drift["drop"]}' in shown()


def shown() -> str:
    """What a scheduler's metrics say."""
    return generate_latest(metrics.registry("scheduler")).decode()


async def test_who_lapses_is_told_and_who_is_gone_is_not_asked_about(api: Api) -> None:
    await tell(api, *(each for n in range(300) for each in stay(f"p{n}", n)))
    await tell(api, *(did("busy", "page", n) for n in range(6)), did("dull", "page", 3))
    await tell(api, did("gone", "page", 8))
    await api.put("/models/leaving", WILL_BUY | {"goal": "lapse", "features": WEEKLY})
    await api.settle()
    model: Any = await api.get("/models/leaving")
    assert model["error"] == ""
    assert model["fit"]["report"]["measures"]["auc"]["low"] > 0.7
    busy, dull = await said(api, "busy", "leaving"), await said(api, "dull", "leaving")
    assert dull > 0.5 > 0.3 > busy
    assert await said(api, "gone", "leaving") is None


async def test_what_people_are_judged_by_outlives_many_watches(
    shop: Api,
) -> None:
    async with shop.instance.core.database.transaction() as connection:
        model = await store.find(connection, "will_buy")
        assert model is not None
        for _ in range(KEPT + 5):
            await begin(connection, model.id)
        assert await find(connection, model.id, 1) is not None
        assert await find(connection, model.id, 2) is None


async def test_a_changed_model_says_nothing_until_it_has_learned_again(shop: Api) -> None:
    before = await said(shop, "keen")
    rare = WILL_BUY | {"goal": {"event": "Never Done"}, "features": {"views": "count('page', 7d)"}}
    await shop.put("/models/will_buy", rare)
    await shop.settle()
    model: Any = await shop.get("/models/will_buy")
    assert model["error"].startswith("to learn from there are 0 people who did it and ")
    await tell(shop, did("keen", "Product Added", 0.01), did("idle", "Product Added", 0.01))
    assert await said(shop, "keen") == before  # what was said by the last fit stands
    assert await said(shop, "idle") < 0.3
    why: Any = await shop.get("/profiles/user_id:idle/models/will_buy/explain")
    assert (why["value"], why["reasons"]) == (None, [])
    await shop.put("/models/will_buy", WILL_BUY)
    await shop.settle()
    assert await said(shop, "idle") > 0.6


async def test_what_was_recorded_in_error_is_not_learned_from(api: Api) -> None:
    await tell(api, did("kay", "page", 10), did("kay", "Order Completed", 3, revenue=20))
    await api.put("/models/will_buy", WILL_BUY)
    core = api.instance.core

    async def lesson() -> Lesson:
        async with core.database.transaction() as connection:
            model = await store.find(connection, "will_buy")
        assert model is not None
        return await Looking(core.database, core.people).back(model, nobody)

    async def nobody(people: int) -> None:
        pass

    await api.settle()
    before = await lesson()
    assert [came for came, _ in before.truth] == [True]
    told: Any = await api.get("/profiles/user_id:kay/timeline?event=Order Completed")
    wrong = {"event": told["timeline"][0]["id"], "reason": "a test of the till"}
    assert (await api.call("POST", "/corrections", json=wrong)).is_success
    await api.settle()
    after = await lesson()
    assert [came for came, _ in after.truth] == [False]
    counts = [(each.amounts["frequency"], each.amounts["carts"]) for each in after.observations]
    assert counts == [(1, 0)]


async def test_too_short_a_past_is_told(api: Api) -> None:
    await tell(api, *(did(f"p{n}", "page", 10) for n in range(50)))
    await api.put("/models/will_buy", WILL_BUY)
    await api.settle()
    model: Any = await api.get("/models/will_buy")
    told = "the past is too short: it has to reach three horizons back"
    assert (model["state"], model["error"]) == ("failed", told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"goal": "buy"}, 'goal: Must be lapse, or an object with an event: {"event": "Order Com'),
        ({"goal": {"event": ""}}, "goal.event: Length must be between 1"),
        ({"goal": {"event": "A", "count": 2}}, "goal.count: Unknown field"),
        ({"horizon": "soon"}, "horizon: Must be a whole number and a unit"),
        ({"goal": "lapse", "ready": ["hours"]}, "ready: Must have recency where the goal is lapse"),
        ({"method": "kmeans"}, "method: Unknown field; known are"),
    ],
)
async def test_what_is_wrong_with_a_propensity_is_told(
    api: Api, change: dict[str, Any], told: str
) -> None:
    answer = await api.call("PUT", "/models/will_buy", json=WILL_BUY | change)
    assert (answer.status_code, answer.json()["detail"][: len(told)]) == (400, told)


WEEKLY = {"visits": "count('page', 7d)"}


async def fits(api: Api) -> Any:
    found: Any = await api.get("/models/will_buy/fits")
    return found["fits"]


async def fit(api: Api) -> None:
    assert (await api.call("POST", "/models/will_buy/fit")).is_success
    await api.settle()


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """The platform's clock goes ahead of what it was at first."""
    monkeypatch.setattr(times, "now", lambda: _now() + int(days * DAY))


_now = times.now
