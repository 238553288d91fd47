"""A destination that does not answer delays no other, and is tried again by one delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from activation.lanes.model import OPEN, THRESHOLD
from cdp import times
from cdp.db import named
from cdp.events import DELIVERIES
from cdp.log import store
from cdp.stream.broker import Chunk
from cdp.stream.stage import Stage
from tests.conftest import Api
from tests.integration.test_deliveries import buy, connect, due_now, ledger
from tests.support.receiver import Answer, Receiver, Request, receiving

_UNTIL = named("update circuits set until = :until where destination = 'crm'")
_POSITIONS = named("select partition, next_offset from checkpoints where topic = :topic")


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def crowd(api: Api, count: int, start: int = 0) -> None:
    """So many people buy, and none of it is delivered yet."""
    for number in range(start, start + count):
        await buy(api, f"user{number}")
    events, touched, _ = api.instance.driver.stages
    while await api.instance.driver.step(events) or await api.instance.driver.step(touched):
        pass


async def circuit(api: Api) -> dict[str, Any]:
    return dict((await api.get("/destinations/crm"))["circuit"])  # type: ignore[call-overload]


async def rested(api: Api) -> None:
    """Let the time of the next probe come."""
    await api.instance.core.database.rows(_UNTIL, until=times.now() - 1)


async def released(api: Api) -> None:
    await api.instance.driver.jobs.release_held()
    await due_now(api)


async def broken(api: Api, hook: Receiver) -> None:
    """A destination that failed so often in a row that its circuit is open."""
    await connect(api, hook)
    hook.answer = lambda request: (500, {})
    await crowd(api, THRESHOLD)
    await api.settle()


async def test_a_destination_that_hangs_holds_nobody_up(
    api: Api, hook: Receiver, other: Receiver
) -> None:
    """Chunk after chunk is delivered to the one while none of the other's sends has ended."""
    await connect(api, hook, timeout=30.0)
    everything = {"kind": "webhook", "url": other.url, "segments": ["buyers"]}
    await api.put("/destinations/quick", everything)
    await api.settle()
    ended: list[str] = []

    def answered(request: Request) -> Answer:
        ended.append("hanging")
        return 200, {}

    hook.delay, hook.answer = 60.0, answered
    stages = {stage.topic: stage for stage in api.instance.driver.stages}
    for turn in range(4):
        await crowd(api, 5, 5 * turn)
        work = asyncio.create_task(_chunk(api, stages[DELIVERIES]))
        await other.until(5 * (turn + 1))
        await work
    assert ended == []
    await hook.until(20)
    async with asyncio.timeout(10):  # what came of the last ones is being noted
        while len(await ledger(api, "?destination=quick&state=sent&limit=100")) < 20:
            await asyncio.sleep(0.02)
    assert ended == []
    open_ = await ledger(api, "?destination=crm&limit=100")
    assert {entry["state"] for entry in open_} == {"sending"}
    await api.instance.driver.pipeline.sends.abandon()


async def _chunk(api: Api, stage: Stage) -> None:
    """As an agent does: what is under way goes on behind it, once it has begun the next."""
    async with api.instance.core.database.transaction() as connection:
        rows = await connection.execute(_POSITIONS, {"topic": DELIVERIES})
        parts = await store.read(connection, DELIVERIES, {row[0]: row[1] for row in rows}, 16)
    await stage.run(Chunk(DELIVERIES, parts))


async def test_after_failures_in_a_row_it_is_left_alone(api: Api, hook: Receiver) -> None:
    await broken(api, hook)
    assert (await circuit(api))["state"] == "open"
    assert (await circuit(api))["reason"] == "HTTP 500"
    await crowd(api, 5, THRESHOLD)
    await api.settle()
    assert len(hook.requests) == THRESHOLD
    held = [entry for entry in await ledger(api, "?limit=100") if entry["reason"] == OPEN]
    assert len(held) == 5
    assert {(entry["state"], entry["attempts"]) for entry in held} == {("retrying", 0)}


async def test_one_delivery_tries_it_and_if_it_fails_so_does_nobody_else(
    api: Api, hook: Receiver
) -> None:
    await broken(api, hook)
    await rested(api)
    assert (await circuit(api))["state"] == "half-open"
    await due_now(api)
    assert len(hook.requests) == THRESHOLD + 1
    assert (await circuit(api))["state"] == "open"
    await due_now(api)
    assert len(hook.requests) == THRESHOLD + 1


async def test_once_it_answers_all_that_was_held_goes(api: Api, hook: Receiver) -> None:
    await broken(api, hook)
    await crowd(api, 5, THRESHOLD)
    await api.settle()
    hook.answer = lambda request: (200, {})
    await rested(api)
    await due_now(api)
    assert (await circuit(api))["state"] == "closed"
    await released(api)
    entries = await ledger(api, "?limit=100")
    assert [entry["state"] for entry in entries] == ["sent"] * (THRESHOLD + 5)
    assert {entry["certain"] for entry in entries} == {True}


async def test_a_destination_that_is_defined_anew_is_tried_at_once(
    api: Api, hook: Receiver, other: Receiver
) -> None:
    await broken(api, hook)
    await connect(api, other)
    await released(api)
    assert len(other.requests) == THRESHOLD


async def test_no_more_at_a_time_than_the_destination_takes(api: Api, hook: Receiver) -> None:
    await connect(api, hook, concurrency=2)
    running = most = 0

    def answer(request: Request) -> Answer:
        nonlocal running
        running -= 1
        return 200, {}

    class Counting(list[Request]):
        def append(self, request: Request) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            super().append(request)

    hook.requests, hook.answer, hook.delay = Counting(), answer, 0.02
    await crowd(api, 12)
    await api.settle()
    assert most == 2
    while len(hook.requests) < 12:
        await due_now(api)
    assert {entry["state"] for entry in await ledger(api)} == {"sent"}


async def test_a_send_whose_outcome_nobody_noted_is_marked(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await crowd(api, 1)
    driver = api.instance.driver
    hook.delay = 5.0
    sending = asyncio.create_task(driver.step(driver.stages[2]))
    await hook.until(1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["certain"]) == ("sending", True)
    hook.delay = 0.0
    await due_now(api)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"], entry["certain"]) == ("sent", 2, False)
