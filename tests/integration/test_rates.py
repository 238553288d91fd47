"""A destination with a rate gets so many deliveries a second, in their order, and loses none."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from activation.lanes.slots import LIMITED
from cdp.db import named
from tests.conftest import Api
from tests.integration.test_deliveries import connect, ledger
from tests.integration.test_lanes import crowd
from tests.support.receiver import Answer, Receiver, Request, receiving

RATE = 20.0
_ROWS = named("select destination from delivery_slots")
_PAUSE = named("update delivery_slots set free = 0, last = 0")
_LAST = named("select last from delivery_slots")


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def noting(hook: Receiver) -> list[float]:
    """When each request came."""
    came: list[float] = []

    def answer(request: Request) -> Answer:
        came.append(time.monotonic())
        return 200, {}

    hook.answer = answer
    return came


async def tick(api: Api) -> None:
    """As the scheduler does, and what comes of it."""
    await api.instance.driver.jobs.release_held()
    await api.instance.driver.jobs.retry_deliveries()
    await api.settle()


async def waiting(api: Api) -> int:
    entries = await ledger(api, "?state=retrying&limit=200")
    assert {entry["reason"] for entry in entries} <= {LIMITED}
    return len(entries)


async def all_sent(api: Api) -> None:
    while await waiting(api):
        await tick(api)
    entries = await ledger(api, "?limit=200")
    assert {(entry["state"], entry["attempts"]) for entry in entries} == {("sent", 1)}


async def test_none_comes_before_its_slot_and_none_is_lost(api: Api, hook: Receiver) -> None:
    await connect(api, hook, rate=RATE)
    came = noting(hook)
    await crowd(api, 50)
    begun = time.monotonic()
    await api.settle()
    assert await waiting(api) > 0
    await all_sent(api)
    assert len(came) == 50
    assert all(at >= begun + number / RATE for number, at in enumerate(came))


async def test_who_waited_first_goes_first(api: Api, hook: Receiver) -> None:
    await connect(api, hook, rate=RATE)
    await crowd(api, 40)
    await api.settle()
    waited = await ledger(api, "?state=retrying&limit=100")
    order = [each["id"] for each in sorted(waited, key=lambda each: each["next_attempt_at"])]
    await crowd(api, 5, 40)
    await api.settle()
    before, first = len(hook.requests), True
    while await waiting(api):
        await tick(api)
        if first and len(hook.requests) > before:
            went = [each.headers["webhook-id"] for each in hook.requests[before:]]
            assert set(went) == set(order[: len(went)])
            first = False
    assert len(hook.requests) == 45


async def test_after_a_pause_there_is_no_burst(api: Api, hook: Receiver) -> None:
    await connect(api, hook, rate=RATE)
    await crowd(api, 60)
    await api.settle()
    await api.instance.core.database.rows(_PAUSE)  # nobody has worked since long ago
    before, came, begun = len(hook.requests), noting(hook), time.monotonic()
    await tick(api)
    assert 0 < len(hook.requests) - before <= RATE
    await all_sent(api)
    assert all(at >= begun + number / RATE for number, at in enumerate(came))


async def test_once_nobody_waits_whoever_comes_goes_at_once(api: Api, hook: Receiver) -> None:
    await connect(api, hook, rate=RATE)
    await crowd(api, 30)
    await api.settle()
    await all_sent(api)
    await tick(api)
    assert (await api.instance.core.database.rows(_LAST))[0][0] is None
    await crowd(api, 1, 30)
    await api.settle()
    assert len(hook.requests) == 31


async def test_without_its_rate_all_that_waited_goes(api: Api, hook: Receiver) -> None:
    await connect(api, hook, rate=0.5)
    await crowd(api, 20)
    await api.settle()
    assert await waiting(api) == 19
    await connect(api, hook)
    await tick(api)
    assert await waiting(api) == 0
    assert len(hook.requests) == 20


async def test_a_destination_without_a_rate_takes_no_slot(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await crowd(api, 3)
    await api.settle()
    assert len(hook.requests) == 3
    assert list(await api.instance.core.database.rows(_ROWS)) == []


@pytest.mark.parametrize("rate", [0, -1, 20_000, "50", True])
async def test_a_rate_that_is_none_is_refused(api: Api, hook: Receiver, rate: object) -> None:
    destination = {"kind": "webhook", "url": hook.url, "rate": rate}
    answer = await api.call("PUT", "/destinations/crm", json=destination)
    assert (answer.status_code, answer.json()["field"]) == (400, "rate")
