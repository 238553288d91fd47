"""The tracking contract over HTTP: every route, every place of a key, every kind of body."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cdp import times
from cdp.collect import keys
from cdp.db import named
from tests.conftest import Api
from tests.support.collected import one_stored, quarantined, reasons, stored

CALLS: dict[str, dict[str, Any]] = {
    "track": {"event": "Bought", "userId": "u"},
    "identify": {"userId": "u", "traits": {"plan": "pro"}},
    "page": {"anonymousId": "a", "name": "Home"},
    "screen": {"anonymousId": "a", "name": "Home"},
    "group": {"userId": "u", "groupId": "g"},
    "alias": {"userId": "u", "previousId": "a"},
    "merge": {
        "mergeProperties": [{"type": "email", "value": "a@x.y"}, {"type": "phone", "value": "1"}]
    },
}
SINGLE = (
    [(f"/v1/{call}", call) for call in CALLS]
    + [(f"/v1/{call[0]}", call) for call in CALLS if call != "merge"]
    + [(f"/api/s/{call}", call) for call in ("page", "track", "identify", "group")]
    + [(f"/api/s/s2s/{call}", call) for call in ("page", "track", "identify", "group")]
    + [("/api/s/event", ""), ("/api/s/s2s/event", "")]
)
BATCH = ("/v1/batch", "/v1/import", "/v1/b", "/b", "/beacon/v1/batch")
SUCCESS = {"success": True}


def is_success(answer: Any) -> bool:
    assert answer.headers["content-type"] == "application/json"
    return (answer.status_code, answer.json()) == (200, SUCCESS)


async def test_every_route_for_one_call(api: Api) -> None:
    for path, call in SINGLE:
        for kind, fields in CALLS.items():
            if kind == (call or kind):
                message_id = f"{path} {kind}"
                sent = {**fields, "messageId": message_id} | ({} if call else {"type": kind})
                assert is_success(await api.send(path, sent)), path
    events = {event.message_id: event.type for event in await stored(api)}
    expected = {f"{path} {call or kind}": call or kind for path, call in SINGLE for kind in CALLS}
    assert events == expected
    assert await quarantined(api) == []


async def test_every_route_for_batches_takes_every_call(api: Api) -> None:
    for path in BATCH:
        batch = [{**f, "type": c, "messageId": f"{path} {c}"} for c, f in CALLS.items()]
        assert is_success(await api.send(path, {"batch": batch}))
        assert is_success(await api.send(path, {**batch[0], "messageId": f"{path} alone"}))
    events = {event.message_id: event.type for event in await stored(api)}
    expected = {f"{path} {call}": call for path in BATCH for call in CALLS}
    assert events == expected | {f"{path} alone": "track" for path in BATCH}


async def test_a_batch_on_a_route_for_one_call_keeps_its_types(api: Api) -> None:
    batch = [{**fields, "type": call, "messageId": call} for call, fields in CALLS.items()]
    assert is_success(await api.send("/v1/track", {"batch": batch}))
    assert {event.message_id: event.type for event in await stored(api)} == {c: c for c in CALLS}


async def test_metrics_are_answered_and_not_kept(api: Api) -> None:
    assert is_success(await api.send("/v1/m", {"series": [{"metric": "x", "value": 1}]}))
    assert is_success(await api.client.post("/v1/m", content=b"\xff not json"))
    assert (await stored(api), await quarantined(api)) == ([], [])


async def test_every_place_of_a_key(api: Api) -> None:
    key = api.instance.keys["write_key"]

    async def post(message: str, query: str = "", body: Any = None, **headers: str) -> None:
        content = {"batch": [{"type": "page", "messageId": message}], **(body or {})}
        answer = await api.client.post(f"/v1/batch{query}", json=content, headers=headers)
        assert is_success(answer)

    def basic(user: str) -> str:
        return "Basic " + base64.b64encode(user.encode()).decode()

    await post("body", body={"writeKey": key}, authorization=basic("wrong:"))
    await post("basic", authorization=basic(f"{key}:"), **{"x-write-key": "wrong"})
    await post("password", authorization=basic(f"{key}:any:password"))
    await post("bare", authorization=basic(key))
    await post("header", "?writeKey=wrong", **{"x-write-key": key, "authorization": "Bearer wrong"})
    await post("bearer", "?writeKey=wrong", authorization=f"Bearer {key}")
    await post("query", f"?writeKey={key}")
    await post("masked", f"?writeKey={key}", body={"writeKey": "***"})
    await post("id-masked", f"?writeKey={key}", body={"writeKey": "id:***"})
    taken = {event.message_id for event in await stored(api)}
    assert taken == {
        *("body", "basic", "password", "bare", "header", "bearer", "query", "masked", "id-masked")
    }


async def test_a_key_with_a_colon_inside(api: Api) -> None:
    await add_source(api, "id:secret")
    for number, user in enumerate(("id:secret", "id:secret:", "id:secret:password")):
        headers = {"authorization": "Basic " + base64.b64encode(user.encode()).decode()}
        page = {"messageId": str(number)}
        assert is_success(await api.client.post("/v1/page", json=page, headers=headers))
    headers = {"x-write-key": "id:secret"}
    page = {"messageId": "3"}
    assert is_success(await api.client.post("/api/s/page", json=page, headers=headers))
    assert [event.source for event in await stored(api)] == [2, 2, 2, 2]


async def add_source(api: Api, key: str) -> None:
    async with api.instance.core.database.transaction() as connection:
        await keys.add_source(connection, "another", key)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", "image/png", ""],
)
async def test_a_body_is_read_for_what_it_is(api: Api, content_type: str) -> None:
    key = api.instance.keys["write_key"]
    headers = {"x-write-key": key} | ({"content-type": content_type} if content_type else {})
    plain = json.dumps({"batch": [{"type": "page", "messageId": "plain"}]}).encode()
    packed = gzip.compress(plain.replace(b"plain", b"packed"))
    bare = gzip.compress(plain.replace(b"plain", b"bare"))

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(bare), 7):
            yield bare[start : start + 7]

    post = api.client.post
    assert is_success(await post("/v1/batch", content=plain, headers=headers))
    encoded = headers | {"content-encoding": "gzip"}
    assert is_success(await post("/v1/batch", content=packed, headers=encoded))
    assert is_success(await post("/v1/batch", content=chunks(), headers=headers))
    wrong = plain.replace(b"plain", b"wrong")  # it says gzip, and is not
    assert is_success(await post("/v1/batch", content=wrong, headers=encoded))
    assert [event.message_id for event in await stored(api)] == ["bare", "packed", "plain", "wrong"]


async def test_a_batch_of_2500_and_one_more(api: Api) -> None:
    pages = [{"type": "page", "messageId": f"{n:04}", "anonymousId": "a"} for n in range(2501)]
    assert is_success(await api.send("/v1/batch", {"batch": pages[:2500]}))
    assert len(await stored(api)) == 2500
    assert await quarantined(api) == []
    more = [page | {"anonymousId": "b"} for page in pages]
    assert is_success(await api.send("/v1/batch", {"batch": more}))
    assert len(await stored(api)) == 2500
    (rest,) = await quarantined(api)
    assert rest["reason"] == "batch: has over 2500 messages; send smaller ones"
    assert rest["message"] == {"batch": [more[2500]]}


async def test_4000_kib_are_taken_and_no_byte_more(api: Api) -> None:
    message = json.dumps({"type": "page", "messageId": "m"}).encode()
    body = (b'{"batch":[' + message + b"]}").ljust(4000 * 1024)
    headers = {"x-write-key": api.instance.keys["write_key"]}
    assert is_success(await api.client.post("/v1/batch", content=body, headers=headers))
    for over in (body + b" ", gzip.compress(body + b" ", 1), gzip.compress(b" " * 50_000_000, 1)):
        answer = await api.client.post("/v1/batch", content=over, headers=headers)
        assert answer.status_code == 413
        assert set(answer.json()) == {"code", "message"}
    assert len(await stored(api)) == 1


async def test_an_event_of_32_kib_is_taken_and_a_larger_one_is_not(api: Api) -> None:
    def padded(size: int, message_id: str) -> bytes:
        empty = json.dumps({"type": "page", "messageId": message_id, "x": ""}).encode()
        return empty[:-2] + b"x" * (size - len(empty)) + empty[-2:]

    fits, over = padded(32_768, "fits"), padded(32_769, "over")
    headers = {"x-write-key": api.instance.keys["write_key"]}
    body = b'{"batch":[' + over + b"," + fits + b"]}"
    assert is_success(await api.client.post("/v1/batch", content=body, headers=headers))
    assert is_success(await api.client.post("/v1/page", content=over, headers=headers))
    assert (await one_stored(api)).message_id == "fits"
    assert await reasons(api) == ["message: has 32769 bytes; the limit is 32768"] * 2
    assert [each["source"] for each in await quarantined(api)] == [1, 1]


async def test_what_is_missing_is_filled_in(api: Api) -> None:
    before = times.now()
    assert is_success(await api.send("/v1/page", {"anonymousId": "a"}))
    event = await one_stored(api)
    assert len(event.message_id) == 36
    assert before <= event.received_at <= times.now()
    assert (event.timestamp, event.context) == (event.received_at, {})


async def test_an_event_about_nobody_is_stored_and_belongs_to_no_profile(api: Api) -> None:
    for number, absent in enumerate((None, "")):
        call = {"userId": absent, "anonymousId": absent, "event": "e", "messageId": str(number)}
        assert is_success(await api.send("/v1/track", call))
    assert is_success(await api.send("/v1/track", {"userId": 42, "event": "e"}))
    await api.settle()
    assert len(await stored(api)) == 3
    assert (await api.get("/profiles/user_id:42"))["events"] == {"e": 1}
    rows = await api.instance.core.database.rows(named("select id from profiles"))
    assert len(rows) == 1
    assert await quarantined(api) == []


async def test_a_merge_links_two_identifiers(api: Api) -> None:
    assert is_success(await api.send("/v1/identify", {"userId": "u", "traits": {"email": "a@x.y"}}))
    merged = [{"type": "email", "value": "A@x.y"}, {"type": "phone", "value": "+49 30 1"}]
    assert is_success(await api.send("/v1/merge", {"mergeProperties": merged}))
    await api.settle()
    person = await api.get("/profiles/phone:+49301")
    assert person == await api.get("/profiles/user_id:u")
