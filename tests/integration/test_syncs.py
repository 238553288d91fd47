"""A destination is told who is in already; and, when somebody asks, how things are."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

import activation.syncing.store as sync_store
from cdp.db import named
from cdp.scheduler import syncing
from tests.conftest import Api
from tests.support.receiver import Receiver, Request, receiving

ORDER = {"event": "Order Completed"}
BUYERS = {"name": "Buyers", "purpose": "analytics", "where": ORDER}


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def buyers(api: Api, *users: str) -> None:
    """A segment with these people in it."""
    await api.put("/segments/buyers", BUYERS)
    await buy(api, *users)
    await api.settle()


async def buy(api: Api, *users: str) -> None:
    batch = [{"type": "track", "userId": user, "event": "Order Completed"} for user in users]
    assert (await api.send("/v1/batch", {"batch": batch})).is_success


async def connect(api: Api, hook: Receiver, **more: Any) -> None:
    said = {"kind": "webhook", "url": hook.url, "segments": ["buyers"]}
    await api.put("/destinations/crm", said | more)


async def synced(api: Api, **said: object) -> dict[str, Any]:
    """What a sync that is asked for comes to."""
    answer = await api.call("POST", "/destinations/crm/sync", json=said)
    assert answer.status_code == 200, answer.text
    await api.settle()
    return await latest(api)


async def latest(api: Api) -> dict[str, Any]:
    found: Any = (await api.get("/destinations/crm"))["sync"]
    return dict(found)


async def ledger(api: Api) -> list[dict[str, Any]]:
    found: Any = (await api.get("/deliveries?limit=1000"))["deliveries"]
    return list(found)


def said(hook: Receiver, start: int = 0) -> list[tuple[str, str]]:
    """What was told of whom, in its order."""
    told = (request.json for request in hook.requests[start:])
    return [(each["type"], each["data"]["identifiers"]["user_id"][0]) for each in told]


def known(hook: Receiver) -> set[str]:
    """Whom a receiver takes to be in by all that it heard, by profile id."""
    inside: set[str] = set()
    for request in hook.requests:
        told = request.json
        who = {told["data"]["profile_id"]}
        inside = inside | who if told["type"] == "segment.entered" else inside - who
    return inside


async def members(api: Api) -> set[str]:
    found: Any = (await api.get("/segments/buyers/members?limit=1000"))["members"]
    return {each["profile_id"] for each in found}


async def test_who_is_in_already_is_told_once_and_then_only_what_happens(
    api: Api, hook: Receiver
) -> None:
    await buyers(api, "ada", "bob", "cleo")
    await connect(api, hook)
    await api.settle()
    assert sorted(said(hook)) == [("segment.entered", who) for who in ("ada", "bob", "cleo")]
    run = await latest(api)
    assert (run["state"], run["reason"]) == ("done", "first load")
    assert (run["members"], run["looked_at"], run["entered"], run["left"]) == (3, 3, 3, 0)
    await buy(api, "dora")
    await api.settle()
    assert said(hook, 3) == [("segment.entered", "dora")]
    await connect(api, hook, timeout=5.0)
    await api.settle()
    assert len(hook.requests) == 4
    assert (await latest(api))["created_at"] == run["created_at"]


async def test_an_entry_of_a_first_load_is_the_one_that_would_have_been_told(
    api: Api, hook: Receiver
) -> None:
    await api.put("/segments/buyers", BUYERS)
    await connect(api, hook)
    await buy(api, "ada")
    await api.settle()
    (live,) = await ledger(api)
    await api.instance.core.database.rows(named("delete from deliveries"))
    await synced(api)
    (again,) = await ledger(api)
    same = ("id", "at", "cause", "segment", "purpose", "profile_id", "change")
    assert {name: again[name] for name in same} == {name: live[name] for name in same}


async def test_only_what_happens_is_told_where_that_is_wanted(api: Api, hook: Receiver) -> None:
    await buyers(api, "ada")
    await connect(api, hook, first_load=False)
    await api.settle()
    assert hook.requests == []
    await buy(api, "bob")
    await api.settle()
    assert said(hook) == [("segment.entered", "bob")]


async def test_each_is_asked_for_consent(api: Api, hook: Receiver) -> None:
    await buyers(api, "ada", "bob")
    said_yes = {"purpose": "marketing_email", "state": "granted"}
    await api.put("/consent/user_id:ada", said_yes)
    await connect(api, hook, purpose="marketing_email")
    await api.settle()
    assert said(hook) == [("segment.entered", "ada")]
    await api.put("/consent/user_id:bob", said_yes)
    assert (await synced(api))["entered"] == 1
    assert said(hook, 1) == [("segment.entered", "bob")]


async def test_a_segment_that_is_added_is_loaded_and_the_others_are_not_told_again(
    api: Api, hook: Receiver
) -> None:
    await buyers(api, "ada")
    await api.put("/segments/all", {"name": "All", "purpose": "analytics", "where": ORDER})
    await api.settle()
    await connect(api, hook)
    await api.settle()
    await connect(api, hook, segments=["buyers", "all"])
    await api.settle()
    assert [each.json["data"]["segment"] for each in hook.requests] == ["buyers", "all"]


async def test_what_happened_while_a_destination_was_off_is_made_up_for(
    api: Api, hook: Receiver
) -> None:
    await buyers(api, "ada", "bob")
    await connect(api, hook)
    await api.settle()
    await connect(api, hook, enabled=False)
    await buy(api, "cleo")
    await api.put("/consent/user_id:ada", {"purpose": "analytics", "state": "denied"})
    await api.settle()
    assert len(hook.requests) == 2
    await connect(api, hook)
    await api.settle()
    assert said(hook, 2) == [("segment.entered", "cleo"), ("segment.left", "ada")]
    assert known(hook) == await members(api)


async def test_a_receiver_that_lost_everything_is_told_line_by_line_who_is_in(
    api: Api, hook: Receiver
) -> None:
    await buyers(api, *(f"user{number}" for number in range(40)))
    await connect(api, hook)
    await api.settle()
    first = {request.headers["webhook-id"] for request in hook.requests}
    hook.requests.clear()
    assert (await synced(api))["entered"] == 0
    assert hook.requests == []
    run = await synced(api, full=True)
    assert (run["reason"], run["full"], run["entered"], run["left"]) == ("asked", True, 40, 0)
    lines: Any = (await api.get("/segments/buyers/members?limit=1000"))["members"]
    told = [request.json["data"] for request in hook.requests]
    of = ("profile_id", "identifiers")
    assert sorted([line[name] for name in of] for line in lines) == sorted(
        [each[name] for name in of] for each in told
    )
    assert first.isdisjoint(request.headers["webhook-id"] for request in hook.requests)


async def test_what_was_given_up_is_told_again_under_its_id(api: Api, hook: Receiver) -> None:
    await buyers(api, "ada", "bob")
    answers: list[Request] = []
    hook.answer = lambda request: answers.append(request) or (500, {})  # type: ignore[func-returns-value]
    await connect(api, hook, max_attempts=1)
    await api.settle()
    assert [each["state"] for each in await ledger(api)] == ["parked", "parked"]
    hook.answer = lambda request: (200, {})
    assert (await synced(api))["entered"] == 2
    assert {each["state"] for each in await ledger(api)} == {"sent"}
    tried = [request.headers["webhook-id"] for request in hook.requests]
    assert sorted(tried[:2]) == sorted(tried[2:])


async def test_who_was_told_of_and_is_not_in_any_more_is_taken_off(
    api: Api, hook: Receiver
) -> None:
    await buyers(api, "ada", "bob")
    await connect(api, hook)
    await api.settle()
    nobody = named("delete from deliveries where kind = 'left'")
    await api.put("/consent/user_id:ada", {"purpose": "analytics", "state": "denied"})
    await api.settle()
    await api.instance.core.database.rows(nobody)
    hook.requests.pop()
    run = await synced(api)
    assert (run["entered"], run["left"]) == (0, 1)
    assert said(hook, 2) == [("segment.left", "ada")]
    assert (await synced(api))["left"] == 0


async def test_who_was_erased_is_not_told_of_again(api: Api, hook: Receiver) -> None:
    await buyers(api, "ada")
    await connect(api, hook)
    await api.settle()
    asked = {"kind": "erase", "identifier": "user_id:ada"}
    assert (await api.call("POST", "/privacy/requests", json=asked)).is_success
    await api.settle()
    assert [request.json["type"] for request in hook.requests][1:] == ["person.erased"]
    run = await synced(api)
    assert (run["entered"], run["left"], len(hook.requests)) == (0, 0, 2)


async def test_a_merge_behind_the_place_that_a_run_is_at_is_not_missed(
    api: Api, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever the run has passed takes in somebody that it has not come to."""
    monkeypatch.setattr(syncing, "SLICE", 1)
    others = [f"user{number}" for number in range(10)]
    await buyers(api, *others)
    subject = api.instance.core.vault.subject
    places = {subject("user_id", each): each for each in others}
    last = places[max(places)]
    low = next(f"a{n}" for n in range(9999) if subject("anonymous_id", f"a{n}") < min(places))
    early = {"anonymousId": low, "timestamp": "2020-01-01T00:00:00Z"}
    assert (await api.send("/v1/page", early)).is_success
    await api.settle()
    await connect(api, hook)
    step = api.instance.driver.jobs.syncing.step
    assert await step() and await step()
    assert (await api.send("/v1/identify", {"userId": last, "anonymousId": low})).is_success
    await api.settle()
    assert len(hook.requests) == 10
    assert known(hook) == await members(api)
    ids = {str(uuid.UUID(bytes=subject("anonymous_id", low)))}
    assert ids <= known(hook)


async def test_live_deltas_go_first_and_a_destination_that_is_full_is_left_alone(
    api: Api, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "SLICE", 2)
    monkeypatch.setattr(syncing, "MOST_OPEN", 2)
    hook.answer = lambda request: (500, {"Retry-After": "600"})
    await buyers(api, *(f"user{number}" for number in range(7)))
    await connect(api, hook)
    async with receiving() as other:
        await api.put("/destinations/other", {"kind": "webhook", "url": other.url})
        await api.settle()
        assert len(other.requests) == 7
    run = await latest(api)
    assert (run["state"], run["looked_at"], run["entered"]) == ("running", 2, 2)
    step = api.instance.driver.jobs.syncing.step
    assert await step() is False
    monkeypatch.setattr(syncing, "MOST_WAITING", 0)
    assert await step() is True
    assert (await latest(api))["looked_at"] == 2


async def test_a_run_ends_with_its_destination(api: Api, hook: Receiver) -> None:
    await buyers(api, "ada")
    await connect(api, hook)
    await connect(api, hook, enabled=False)
    await api.settle()
    assert (await latest(api))["state"] == "ended"
    assert hook.requests == []
    assert (await api.call("DELETE", "/destinations/crm")).status_code == 204
    async with api.instance.core.database.transaction() as connection:
        assert await sync_store.latest(connection, "crm", 1) == []


async def test_what_cannot_be_synced_says_why(api: Api, hook: Receiver) -> None:
    async def refused() -> tuple[int, str]:
        answer = await api.call("POST", "/destinations/crm/sync")
        return answer.status_code, answer.json()["detail"]

    assert (await refused())[0] == 404
    await connect(api, hook, enabled=False)
    assert await refused() == (409, "the destination is not enabled: enable it first")
    await connect(api, hook)
    assert await refused() == (409, "there is no segment that the destination is told of")
    await api.put("/segments/buyers", BUYERS)
    assert (await api.call("POST", "/destinations/crm/sync")).status_code == 200
    assert await refused() == (409, "a sync that was asked for is not over: wait for it")
    await api.settle()
    runs: Any = (await api.get("/destinations/crm/sync"))["syncs"]
    assert [(each["reason"], each["state"]) for each in runs] == [("asked", "done")]
    mail = {"kind": "email", "host": "127.0.0.1", "from_address": "a@example.com"}
    await api.put("/destinations/crm", mail | {"username": ""})
    code, told = await refused()
    assert (code, told) == (409, "a destination of kind email is not told of segments")
