"""What breaks the contract is kept with its reason, and can be taken again; strict callers hear."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from cdp import times
from cdp.collect import keys
from cdp.db import named
from tests.conftest import Api
from tests.support.collected import one_stored, quarantined, reasons, stored
from tests.support.instances import Instance, api_on

GOOD = {"type": "track", "event": "e", "userId": "u", "messageId": "good"}
BAD = {"type": "track", "userId": "u", "messageId": "bad"}
REASON = "event: is missing; a track call names the event"
KEY = "c" + "k" * 24


async def replay(api: Api, **chosen: Any) -> Any:
    answer = await api.call("POST", "/quarantine/replay", json=chosen)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def add_source(api: Api, key: str) -> None:
    async with api.instance.core.database.transaction() as connection:
        await keys.add_source(connection, "late", key)


async def post(api: Api, body: Any, key: str = KEY, **headers: str) -> tuple[int, Any]:
    headers = {"x-write-key": key} | headers
    answer = await api.client.post("/v1/batch", json=body, headers=headers)
    return answer.status_code, answer.json()


async def test_a_broken_event_is_kept_and_its_neighbours_go_through(api: Api) -> None:
    before = times.now()
    answer = await api.send("/v1/batch", {"batch": [GOOD, BAD, GOOD | {"messageId": "too"}]})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert [event.message_id for event in await stored(api)] == ["good", "too"]
    (kept,) = await quarantined(api)
    assert before <= times.parse(kept.pop("received_at")) <= times.now()
    assert kept == {
        "id": 1,
        "source": 1,
        "reason": REASON,
        "field": "event",
        "route": "/v1/batch",
        "message": BAD,
    }


async def test_strict_callers_get_a_result_for_each_event_and_nothing_is_kept(api: Api) -> None:
    strict = {"x-strict-mode": "1"}
    answer = await api.send("/v1/batch", {"batch": [GOOD, BAD, 5]}, **strict)
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "invalid_messages",
        "message": "2 of 3 messages were refused",
        "results": [
            {"messageId": "good", "status": "accepted", "reason": ""},
            {"messageId": "bad", "status": "refused", "reason": REASON},
            {"messageId": "", "status": "refused", "reason": "message: must be a JSON object"},
        ],
    }
    assert (await one_stored(api)).message_id == "good"
    assert await quarantined(api) == []
    answer = await api.send("/v1/batch", {"batch": [GOOD]}, **strict)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (await api.send("/v1/track", {"userId": "u"}, **strict)).status_code == 400
    lenient = await api.send("/v1/track", {"userId": "u"}, **{"x-strict-mode": "0"})
    assert lenient.status_code == 200


async def test_an_unknown_key_gets_200_and_its_events_wait(api: Api) -> None:
    assert await post(api, {"batch": [GOOD]}) == (200, {"success": True})
    assert await post(api, {"batch": [GOOD]}, key="") == (200, {"success": True})
    assert await stored(api) == []
    reason = "writeKey: is missing or unknown; create it with `cdp keys create`"
    assert await reasons(api) == [reason, reason]
    assert [kept["source"] for kept in await quarantined(api)] == [None, None]
    for key in (KEY, ""):
        status, told = await post(api, {"batch": [GOOD]}, key=key, **{"x-strict-mode": "1"})
        assert (status, told["code"]) == (401, "unauthorized")
    assert len(await quarantined(api)) == 2


@pytest.fixture
async def strict_keys(instance: Instance) -> AsyncIterator[Api]:
    """A platform that answers 401 to unknown write keys."""
    settings = replace(instance.settings, strict_keys=True)
    async with api_on(replace(instance, settings=settings)) as made:
        yield made


async def test_strict_keys_turn_unknown_keys_away(strict_keys: Api) -> None:
    for key in (KEY, ""):
        status, told = await post(strict_keys, {"batch": [GOOD]}, key=key)
        assert (status, set(told)) == (401, {"code", "message"})
    assert (await strict_keys.send("/v1/batch", {"batch": [GOOD, BAD]})).status_code == 200
    assert len(await stored(strict_keys)) == 1
    assert await reasons(strict_keys) == [REASON]


async def test_a_replay_once_the_key_exists_loses_nothing_of_the_first_arrival(api: Api) -> None:
    batch = [
        {"type": "page", "messageId": "0", "timestamp": "2026-01-01T11:59:58Z"},
        {"type": "page"},
    ]
    envelope = {"sentAt": "2026-01-01T12:00:00Z", "context": {"app": 1}, "integrations": {"A": 1}}
    headers = {
        "origin": "https://shop.example",
        "anonymousid": base64.b64encode(b"anon").decode(),
        "sec-gpc": "1",
        "x-ip-policy": "stripLastOctet",
    }
    batch[1]["context"] = {"ip": "192.0.2.77"}
    assert await post(api, {"batch": batch, **envelope}, **headers) == (200, {"success": True})
    (arrived, _) = [times.parse(kept["received_at"]) for kept in await quarantined(api)]
    await add_source(api, KEY)
    assert await replay(api) == {"replayed": 2, "refused": []}
    assert await quarantined(api) == []
    plain, nameless = await stored(api)
    assert (plain.received_at, plain.timestamp) == (arrived, arrived - 2 * times.SECOND)
    assert plain.sent_at == times.parse(envelope["sentAt"])
    assert (plain.source, plain.anonymous_id) == (2, "anon")
    assert plain.context == {"app": 1, "ip": "203.0.113.0", "consent": {"gpc": True}}
    assert nameless.context == {"app": 1, "ip": "192.0.2.0", "gpc": True}  # it is on record by now
    assert plain.integrations == {"A": 1}


async def test_a_key_with_a_password_is_found_when_it_exists(api: Api) -> None:
    basic = base64.b64encode(f"{KEY}:password".encode()).decode()
    await api.client.post("/v1/track", json=GOOD, headers={"authorization": f"Basic {basic}"})
    await add_source(api, KEY)
    assert (await replay(api))["replayed"] == 1
    assert (await one_stored(api)).source == 2


async def test_what_is_still_wrong_stays_with_its_reason(api: Api) -> None:
    for message in (BAD, {"type": "nothing"}):
        await api.send("/v1/batch", {"batch": [message]})
    for body in (b'{"event": NaN}', b'{"batch":[{"a":}]}', b'{"batch":7}'):
        headers = {"x-write-key": api.instance.keys["write_key"]}
        assert (await api.client.post("/v1/batch", content=body, headers=headers)).is_success
    before = await quarantined(api)
    told = await replay(api, ids=[each["id"] for each in before[1:]])
    assert told["replayed"] == 0
    assert [each["id"] for each in told["refused"]] == [each["id"] for each in before[1:]]
    assert all(each["reason"] for each in told["refused"])
    assert await quarantined(api) == before


async def test_replaying_twice_does_no_harm(api: Api) -> None:
    """A process may die between taking a message and closing its entry."""
    await post(api, {"batch": [{"type": "page"}, {"type": "page"}]})
    await add_source(api, KEY)
    reopen = named("update quarantine set replayed_at = null, body = :body where id = :id")
    database = api.instance.core.database
    bodies = await database.rows(named("select id, body from quarantine"))
    for _ in range(2):
        assert (await replay(api))["replayed"] == 2
        for number, body in bodies:
            await database.rows(reopen, id=number, body=body)
    assert len(await stored(api)) == 2


async def test_the_rest_of_a_long_batch_is_taken_apart_by_a_replay(api: Api) -> None:
    pages = [{"type": "page", "messageId": f"{n:04}", "anonymousId": "a"} for n in range(5100)]
    pages[5050] = {"type": "track", "messageId": "broken"}
    body = {"batch": pages, "context": {"app": 1}}
    assert (await api.send("/v1/batch", body)).status_code == 200
    assert len(await quarantined(api)) == 1
    assert await replay(api) == {"replayed": 1, "refused": []}
    (surplus, *_) = await quarantined(api)
    assert surplus["reason"].startswith("batch: has over 2500 messages")
    assert (await replay(api))["replayed"] == 1
    assert await reasons(api) == [REASON]
    events = await stored(api)
    assert len(events) == 5099
    assert all(event.context == {"app": 1} for event in events)


async def test_the_list_has_pages_and_shows_what_is_no_json_too(api: Api) -> None:
    headers = {"x-write-key": api.instance.keys["write_key"]}
    odd = [b'{"a":NaN}', b'{"a":1' + b"0" * 400 + b"}", b"[" * 900 + b"]" * 900, b'{"a":"\\ud800"}']
    odd += [b'{"a":"' + b"x" * 33_000 + b'"}', b'{"n":123456789012345678901234567890}']
    body = b'{"batch":[' + b",".join(odd) + b"]}"
    assert (await api.client.post("/v1/batch", content=body, headers=headers)).is_success
    shown, cursor = [], ""
    while cursor is not None:
        answer = await api.call("GET", f"/quarantine?limit=4&cursor={cursor}")
        shown += [each["message"] for each in answer.json()["quarantine"]]
        cursor = answer.json()["next"]
    assert shown[:3] == [each.decode() for each in odd[:3]]
    assert (shown[3], shown[5]) == ({"a": "\ufffd"}, {"n": 1.2345678901234568e29})
    assert (len(shown[4]), json.dumps(shown[4])[:8]) == (10_000, '"{\\"a\\":')


async def test_scopes_guard_the_quarantine(api: Api) -> None:
    async with api.instance.core.database.transaction() as connection:
        await keys.add_api_key(connection, "reader", "cdp_reader", ["quarantine:read"])
    headers = {"authorization": "Bearer cdp_reader"}
    assert (await api.client.get("/api/v1/quarantine", headers=headers)).status_code == 200
    answer = await api.client.post("/api/v1/quarantine/replay", headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")
