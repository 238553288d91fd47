"""What a request says beside its body: addresses, policies, headers, origins, envelopes."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from cdp import times
from cdp.db import named
from tests.conftest import Api
from tests.support.collected import one_stored, stored
from tests.support.instances import Instance, api_on

PEER = "203.0.113.7"  # whom the `api` fixture's requests come from


async def ips(api: Api) -> list[Any]:
    return [event.context.get("ip") for event in await stored(api)]


async def test_browsers_and_phones_get_their_address_noted_and_servers_do_not(api: Api) -> None:
    browser = ["/v1/p", "/api/s/page"]
    server = ["/v1/page", "/api/s/s2s/page"]
    batches = ["/v1/b", "/b", "/beacon/v1/batch"]
    for number, path in enumerate(browser + server):
        await api.send(path, {"messageId": f"{number}"})
    await api.send("/v1/page", {"messageId": "4"}, origin="https://shop.example")
    for number, path in enumerate(batches):
        page = {"type": "page", "messageId": f"{number + 5}"}
        await api.send(path, {"batch": [page]})
    await api.send("/v1/batch", {"batch": [{"type": "page", "messageId": "8"}]})
    await api.send("/v1/p", {"messageId": "9", "context": {"ip": "192.0.2.1"}})
    assert await ips(api) == [*[PEER] * 2, *[None] * 2, PEER, *[PEER] * 3, None, "192.0.2.1"]


async def test_the_ip_policy_is_honoured(api: Api) -> None:
    for number, policy in enumerate(("keep", "stripLastOctet", "remove")):
        headers = {"x-ip-policy": policy}
        await api.send("/v1/p", {"messageId": f"{number} a"}, **headers)
        own = {"messageId": f"{number} b", "context": {"ip": "192.0.2.77"}}
        await api.send("/v1/p", own, **headers)
    assert await ips(api) == [PEER, "192.0.2.77", "203.0.113.0", "192.0.2.0", None, None]


async def test_nobody_is_believed_about_addresses_by_default(api: Api) -> None:
    await api.send("/v1/p", {}, **{"x-forwarded-for": "198.51.100.9"})
    assert await ips(api) == [PEER]


@pytest.fixture
async def proxied(instance: Instance) -> AsyncIterator[Api]:
    """A platform behind two trusted proxies, one of which the requests come from."""
    settings = replace(instance.settings, trusted_proxies=f"10.0.0.1, {PEER}")
    async with api_on(replace(instance, settings=settings)) as made:
        yield made


async def test_a_trusted_proxy_is_believed_up_to_the_first_stranger(proxied: Api) -> None:
    hops = [
        "198.51.100.9",
        "192.0.2.66, 198.51.100.9",  # what a client claims stands further left
        "192.0.2.66, 198.51.100.9, 10.0.0.1",
        "198.51.100.9:4711, 10.0.0.1",
        "[2001:db8::5]:443",
        "unknown",
        "",
        "10.0.0.1",
    ]
    for number, hop in enumerate(hops):
        await proxied.send("/v1/p", {"messageId": str(number)}, **{"x-forwarded-for": hop})
    assert await ips(proxied) == [*["198.51.100.9"] * 4, "2001:db8::5", *[PEER] * 3]


async def test_headers_speak_for_messages_that_do_not(api: Api) -> None:
    anonymous = base64.b64encode(b"anon-\xc3\xa9").decode()
    headers = {"anonymousid": anonymous, "sec-gpc": "1"}
    batch = [
        {"type": "page", "messageId": "0"},
        {"type": "page", "messageId": "1", "anonymousId": "own", "context": {"consent": {"a": 1}}},
    ]
    await api.send("/v1/batch", {"batch": batch}, **headers)
    await api.send("/v1/page", {"messageId": "2", "anonymousId": ""}, **headers | {"sec-gpc": "0"})
    filled, own, last = await stored(api)
    assert (filled.anonymous_id, filled.context) == ("anon-\u00e9", {"consent": {"gpc": True}})
    assert (own.anonymous_id, own.context) == ("own", {"consent": {"a": 1, "gpc": True}})
    assert (last.anonymous_id, last.context) == ("anon-\u00e9", {})


async def test_global_privacy_control_counts_as_a_no(api: Api) -> None:
    await api.send("/v1/p", {"anonymousId": "a"}, **{"sec-gpc": "1"})
    await api.settle()
    state: Any = await api.get("/consent/anonymous_id:a")
    assert state["state"]["sale_or_share"] == "denied"
    assert state["decisions"]["sale_or_share"]["source"] == "gpc"


async def test_a_batchs_envelope_merges_under_each_event(api: Api) -> None:
    envelope = {
        "sentAt": "2026-01-01T12:00:00Z",
        "context": {"library": {"name": "batch"}, "app": {"v": 1}},
        "integrations": {"All": True, "CRM": False},
    }
    batch = [
        {"type": "page", "messageId": "0", "timestamp": "2026-01-01T11:59:58Z"},
        {
            "type": "page",
            "messageId": "1",
            "originalTimestamp": "2026-01-01T11:59:58Z",
            "timestamp": "2020-01-01T00:00:00Z",
            "sentAt": "2026-01-01T11:59:59Z",
            "context": {"library": {"name": "own"}},
            "integrations": {"All": False},
        },
        {"type": "page", "messageId": "2"},
    ]
    await api.send("/v1/batch", {"batch": batch, **envelope})
    plain, own, bare = await stored(api)
    second = times.SECOND
    assert plain.timestamp == plain.received_at - 2 * second
    assert plain.sent_at == times.parse(envelope["sentAt"])
    assert own.timestamp == own.received_at - second
    assert bare.timestamp == bare.received_at
    assert plain.context == envelope["context"]
    assert own.context == {"library": {"name": "own"}, "app": {"v": 1}}
    assert own.integrations == {"All": False, "CRM": False}


async def allow(api: Api, *origins: str) -> None:
    statement = named("update sources set origins = cast(:origins as text[])")
    await api.instance.core.database.rows(statement, origins=list(origins))


async def test_a_source_may_be_bound_to_origins(api: Api) -> None:
    await allow(api, "https://shop.example")
    sent = [
        await api.send("/v1/p", {"messageId": "0"}, origin="https://shop.example"),
        await api.send("/v1/p", {"messageId": "1"}, origin="https://evil.example"),
        await api.send("/v1/p", {"messageId": "2"}),  # no browser
    ]
    assert [answer.status_code for answer in sent] == [200, 403, 200]
    refused = sent[1]
    assert refused.json() == {
        "code": "forbidden",
        "message": "the write key may not be used from https://evil.example",
    }
    assert refused.headers["access-control-allow-origin"] == "https://evil.example"
    assert [event.message_id for event in await stored(api)] == ["0", "2"]


def pixel(call: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(call).encode()).decode().rstrip("=")


async def test_the_pixel_takes_a_call_and_always_shows_a_picture(api: Api) -> None:
    key = api.instance.keys["write_key"]
    opened = {"userId": "u", "event": "Opened", "messageId": "0", "writeKey": key}

    async def get(path: str) -> None:
        answer = await api.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert answer.content.startswith(b"GIF89a")
        assert answer.headers["cache-control"] == "no-store"

    await get(f"/v1/pixel/track?data={pixel(opened)}")
    await get(
        f"/v1/pixel/t?data={pixel(opened | {'messageId': '1', 'writeKey': ''})}&writeKey={key}"
    )
    query = f"userId=u&event=Opened&properties.plan=pro&messageId=2&writeKey={key}"
    await get(f"/v1/pixel/track?{query}")
    await get(f"/v1/pixel/page?writeKey={key}&messageId=3")
    for broken in (
        "track",
        "track?data=%%%",
        "track?data=e30",
        "%00",
        "nothing?a=b",
        "track?%ff=%00",
    ):
        await get(f"/v1/pixel/{broken}")
        await get(f"/v1/pixel/{broken}{'&' if '?' in broken else '?'}writeKey={key}")
    events = {event.message_id: event for event in await stored(api)}
    assert {name: event.type for name, event in events.items()} == {
        **dict.fromkeys("012", "track"),
        "3": "page",
    }
    assert events["2"].properties == {"plan": "pro"}
    assert events["0"].context == {"ip": PEER}


async def test_the_pixel_shows_when_it_may_not_be_used_and_strictness_is_asked_for(
    api: Api,
) -> None:
    await allow(api, "https://shop.example")
    key = api.instance.keys["write_key"]
    headers = {"origin": "https://evil.example", "x-strict-mode": "1"}
    answer: httpx.Response = await api.client.get(f"/v1/pixel/page?writeKey={key}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert await stored(api) == []
    await allow(api)
    headers = {"x-strict-mode": "1"}
    for query in ("", "?writeKey=unknown"):
        answer = await api.client.get(f"/v1/pixel/page{query}", headers=headers)
        assert answer.status_code == 200
    event = {"writeKey": key, "messageId": "strict"}
    await api.client.get("/v1/pixel/page", params=event, headers=headers)
    assert (await one_stored(api)).message_id == "strict"


async def test_how_the_client_came_is_told_by_a_trusted_proxy_alone(api: Api, proxied: Api) -> None:
    path = f"/v1/projects/{api.instance.keys['write_key']}/settings"
    for client, told in ((api.client, "http"), (proxied.client, "https")):
        answer = await client.get(path, headers={"x-forwarded-proto": "https"})
        assert answer.json()["integrations"]["Segment.io"]["protocol"] == told
        odd = await client.get(path, headers={"x-forwarded-proto": "javascript"})
        assert odd.json()["integrations"]["Segment.io"]["protocol"] == "http"
