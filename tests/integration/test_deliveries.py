"""Webhooks: signed, gated by consent at the moment of sending, retried, parked, and in a ledger."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from cdp import times
from cdp.db import named
from cdp.events import DELIVERIES, EVENTS, TOUCHED
from tests.conftest import Api
from tests.support.receiver import Receiver, receiving

ORDER = {"event": "Order Completed"}


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def connect(api: Api, hook: Receiver, **fields: Any) -> dict[str, Any]:
    """A segment of buyers, and a webhook that hears of it."""
    segment = {"name": "Buyers", "purpose": "marketing_email", "where": ORDER}
    await api.put("/segments/buyers", segment)
    destination = {"kind": "webhook", "url": hook.url, "segments": ["buyers"]}
    made = await api.put("/destinations/crm", destination | fields)
    await api.settle()
    return made


async def buy(api: Api, user: str = "ada", *, consent: bool = True) -> None:
    if consent:
        await decide(api, user, "granted")
    await api.send("/v1/track", {"userId": user, "event": "Order Completed"})


async def decide(api: Api, user: str, state: str) -> dict[str, Any]:
    decision = {"purpose": "marketing_email", "state": state}
    return await api.put(f"/consent/user_id:{user}", decision)


async def ledger(api: Api, query: str = "") -> list[dict[str, Any]]:
    return list((await api.get(f"/deliveries{query}"))["deliveries"])  # type: ignore[call-overload]


async def due_now(api: Api) -> None:
    """Let the time of the next try come."""
    past = times.now() - 1
    await api.instance.core.database.rows(
        named("update deliveries set due = :due where due is not null"), due=past
    )
    await api.instance.driver.jobs.retry_deliveries()
    await api.settle()


async def test_an_entry_is_delivered_signed_with_its_proof(api: Api, hook: Receiver) -> None:
    made = await connect(api, hook)
    await buy(api)
    await api.settle()
    (request,) = hook.requests
    told = Webhook(made["secret"]).verify(request.body, request.headers)
    assert told["type"] == "segment.entered"
    assert told["data"]["segment"] == "buyers"
    assert told["data"]["identifiers"] == {"user_id": ["ada"]}
    (entry,) = await ledger(api, "?profile=user_id:ada")
    assert (entry["state"], entry["status"], entry["attempts"]) == ("sent", 200, 1)
    assert entry["id"] == request.headers["webhook-id"]
    fact = (await api.get("/consent/user_id:ada"))["decisions"]["marketing_email"]["fact"]  # type: ignore[index]
    assert entry["consent"]["fact"] == fact


async def test_an_exit_is_told_too_and_needs_no_consent(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await buy(api)
    await api.settle()
    await decide(api, "ada", "denied")
    await api.settle()
    assert [request.json["type"] for request in hook.requests] == [
        "segment.entered",
        "segment.left",
    ]
    left = hook.requests[1].json["data"]
    assert left["identifiers"] == {"user_id": ["ada"]}
    assert left["traits"] == {}


async def test_without_consent_nobody_is_in_a_segment_of_that_purpose(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook)
    await buy(api, consent=False)
    await api.settle()
    assert (await api.get("/segments/buyers/members"))["members"] == []
    assert hook.requests == []
    await decide(api, "ada", "granted")
    await api.settle()
    assert len(hook.requests) == 1


async def test_a_withdrawal_that_was_acknowledged_wins_though_no_agent_has_seen_it(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook)
    await buy(api)
    driver = api.instance.driver
    events, touched, deliveries = driver.stages
    assert [events.topic, touched.topic, deliveries.topic] == [EVENTS, TOUCHED, DELIVERIES]
    while await driver.step(events) or await driver.step(touched):
        pass
    await decide(api, "ada", "denied")
    assert await driver.step(deliveries) == 1
    assert hook.requests == []
    (entry,) = await ledger(api)
    assert (entry["state"], entry["consent"]["state"]) == ("refused", "denied")


async def test_failures_are_tried_again_then_parked(api: Api, hook: Receiver) -> None:
    await connect(api, hook, max_attempts=3)
    hook.answer = lambda request: (500, {})
    await buy(api)
    await api.settle()
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"], entry["reason"]) == ("retrying", 1, "HTTP 500")
    assert entry["next_attempt_at"] is not None
    await due_now(api)
    await due_now(api)
    (entry,) = await ledger(api, "?state=parked")
    assert (entry["attempts"], entry["status"]) == (3, 500)
    await due_now(api)
    assert len(hook.requests) == 3
    assert len({request.headers["webhook-id"] for request in hook.requests}) == 1


async def test_retry_after_is_honoured(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    hook.answer = lambda request: (429, {"Retry-After": "120"})
    await buy(api)
    await api.settle()
    (entry,) = await ledger(api)
    wait = times.parse(entry["next_attempt_at"]) - times.now()
    assert 100 * times.SECOND < wait <= 120 * times.SECOND


async def test_a_destination_that_hangs_up_or_is_not_there_is_a_failure(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook)
    hook.answer = lambda request: None
    await buy(api)
    await api.settle()
    assert [entry["state"] for entry in await ledger(api)] == ["retrying"]
    await connect(api, hook, url="http://127.0.0.1:1/nobody")
    await due_now(api)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"], entry["status"]) == ("retrying", 2, None)


async def test_a_destination_that_is_slow_is_left_at_its_timeout(api: Api, hook: Receiver) -> None:
    await connect(api, hook, timeout=0.2)
    hook.delay = 5.0
    await buy(api)
    async with asyncio.timeout(4):
        await api.settle()
    assert [entry["reason"] for entry in await ledger(api)] == ["TimeoutError"]


async def test_a_worker_that_dies_while_sending_is_made_up_for(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await buy(api)
    events, touched, deliveries = api.instance.driver.stages
    while await api.instance.driver.step(events) or await api.instance.driver.step(touched):
        pass
    hook.delay = 5.0
    sending = asyncio.create_task(api.instance.driver.step(deliveries))
    await hook.until(1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"]) == ("sending", 1)
    hook.delay = 0.0
    await due_now(api)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"]) == ("sent", 2)
    first, second = hook.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_two_destinations_and_a_segment_each(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await api.put("/segments/visitors", {"name": "Visitors", "where": {"event": "page"}})
    everything = {"kind": "webhook", "url": hook.url}
    await api.put("/destinations/lake", everything)
    await api.settle()
    await buy(api)
    await api.send("/v1/page", {"userId": "ada"})
    await api.settle()
    told = sorted((entry["destination"], entry["segment"]) for entry in await ledger(api))
    assert told == [("crm", "buyers"), ("lake", "buyers"), ("lake", "visitors")]
    assert {str(uuid.UUID(entry["id"])) for entry in await ledger(api)}


async def test_a_batch_is_signed_and_says_the_id_of_each(api: Api, hook: Receiver) -> None:
    made = await connect(api, hook, batch=10)
    hook.answer = lambda request: (500, {})
    for user in ("ada", "bob"):
        await buy(api, user)
    await api.settle()
    hook.answer = lambda request: (200, {})
    await due_now(api)
    last = hook.requests[-1]
    told = Webhook(made["secret"]).verify(last.body, last.headers)
    entries = await ledger(api)
    assert {entry["state"] for entry in entries} == {"sent"}
    assert told["type"] == "batch"
    ids = [each["id"] for each in told["data"]]
    seen = {each["id"] for request in hook.requests for each in request.json["data"]}
    assert len(ids) == len(set(ids)) and seen == {entry["id"] for entry in entries}
    assert {each["type"] for each in told["data"]} == {"segment.entered"}


async def test_the_ledger_pages(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    for number in range(5):
        await buy(api, f"user{number}")
    await api.settle()
    seen: list[str] = []
    cursor = ""
    while True:
        page = await api.get(f"/deliveries?limit=2&cursor={cursor}")
        seen += [entry["id"] for entry in page["deliveries"]]  # type: ignore[attr-defined]
        if page["next"] is None:
            break
        cursor = str(page["next"])
    assert len(seen) == len(set(seen)) == 5
