"""Dry runs: what a campaign would have done lately, by each kind of trigger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from cdp import lately, times
from tests.conftest import Api
from tests.integration.test_campaigns import add, define, journeys, sent
from tests.integration.test_deliveries import decide
from tests.support.receiver import Receiver, receiving

DAY = 86_400


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def tried(api: Api, days: int = 7) -> dict[str, Any]:
    answer = await api.call("POST", "/campaigns/cart/dry-run", json={"days": days})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ago(seconds: float) -> str:
    return (times.to_datetime(times.now()) - timedelta(seconds=seconds)).isoformat()


async def test_a_dry_run_says_what_would_have_been(api: Api, hook: Receiver) -> None:
    await define(api, hook, trigger={"segment": "buyers"})  # nobody begins by it yet
    for number in range(6):
        await add(api, f"u{number}", allows=number % 2 == 0)
    await define(api, hook, audience="buyers")
    await add(api, "u0", event="Order Completed")
    found = await tried(api)
    assert (found["starts"], found["people"], found["begun"]) == (6, 6, 1)
    assert found["refused"] == {"not in buyers": 5}
    assert (found["first"], found["whole"]) == ({"mail": 1}, True)
    assert sent(hook) == []  # u0 entered carts before the campaign had that trigger


async def ordered(api: Api, person: str, revenue: float, seconds: float = 0) -> None:
    said = {"userId": person, "event": "Order Completed", "timestamp": ago(seconds)}
    await api.send("/v1/track", said | {"properties": {"revenue": revenue}})


WORTH = {"event": "Order Completed", "where": {"property": "revenue", "gt": 50}}


async def test_a_dry_run_hears_the_events_that_the_agent_would(api: Api, hook: Receiver) -> None:
    await define(api, hook, trigger=WORTH, again="1h")
    for person, allows in (("ada", True), ("bob", False), ("eve", True)):
        await decide(api, person, "granted" if allows else "denied")
    await ordered(api, "ada", 80)
    await ordered(api, "ada", 90)  # in it already, or was in it before
    await ordered(api, "bob", 70)
    await ordered(api, "eve", 20)  # too little
    await ordered(api, "eve", 99, seconds=2 * DAY)  # told too late
    await api.settle()
    live = [(each["state"], each["reason"]) for each in await journeys(api)]
    found = await tried(api)
    assert (found["starts"], found["people"], found["begun"]) == (3, 2, 2)
    assert sum(found["refused"].values()) == 1
    assert len(live) == found["starts"]
    assert [state for state, _ in live].count("refused") == sum(found["refused"].values())
    assert (found["first"], found["nobody"]) == ({"mail": 1}, 1)
    assert len(sent(hook)) == 1  # by the campaign itself


async def test_a_dry_run_of_much_says_since_when(
    api: Api, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(api, hook, trigger=WORTH, again="1h")
    for number in range(12):
        await ordered(api, f"u{number}", 60)
    await api.settle()
    whole = await tried(api)
    assert whole["starts"] == 12
    monkeypatch.setattr(lately, "_SLICE", 1)
    assert (await tried(api))["starts"] == 12  # slice by slice the same
    monkeypatch.setattr(lately, "MOST_EVENTS", 1)
    some = await tried(api)
    assert 0 < some["starts"] < 12
    assert some["since"] > whole["since"]
    assert (whole["whole"], some["whole"]) == (True, False)


async def test_a_dry_run_of_a_schedule_is_of_who_is_there_now(
    api: Api, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(api, hook, trigger={"call": True})
    refused = await api.call("POST", "/campaigns/cart/dry-run", json={})
    assert refused.status_code == 409
    await add(api, "ada")
    await add(api, "bob", allows=False)
    when = {"cron": "0 9 * * *", "timezone": "UTC"}
    await define(api, hook, trigger={"schedule": when}, audience="carts", again="3d")
    found = await tried(api, days=7)
    assert (found["starts"], found["people"]) == (14, 2)
    assert (found["begun"], found["refused"]) == (6, {"was in it lately": 8})
    assert (found["first"], found["nobody"]) == ({"mail": 3}, 3)
    assert sent(hook) == []
    monkeypatch.setattr(lately, "MOST", 1)
    some = await tried(api, days=7)
    assert (found["whole"], some["whole"], some["people"]) == (True, False, 1)
