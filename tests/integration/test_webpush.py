"""Push messages: a browser subscribes, what is sent opens with its keys, what is gone is gone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import http_ece
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from activation import letters
from activation.letters import Letter
from activation.model import MESSAGE, Delivery
from activation.push import sealing
from activation.templates.model import FIELDS
from cdp import times
from cdp.db import named
from cdp.events import DELIVERIES
from cdp.log import store as log_store
from cdp.log.store import Message
from tests.conftest import Api
from tests.support.privacy import done
from tests.support.receiver import Receiver, Request, receiving

DATA = {"product": "shoes-7"}
SAID: dict[str, Any] = {"title": "Back in stock", "body": "Your size", "data": DATA}
SAID |= {"url": "https://shop.example/shoes"}


class Browser:
    """A browser's side of it: keys that open what is pushed."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.auth = endpoint, os.urandom(16)
        self.key = ec.generate_private_key(ec.SECP256R1())

    def subscription(self) -> dict[str, Any]:
        public = sealing.unpadded(sealing.encoded(self.key.public_key()))
        keys = {"p256dh": public, "auth": sealing.unpadded(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def opened(self, request: Request) -> dict[str, Any]:
        assert request.headers["content-encoding"] == "aes128gcm"
        plain = http_ece.decrypt(
            request.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm"
        )
        return dict(msgspec.json.decode(plain))


@pytest.fixture
async def service() -> AsyncIterator[Receiver]:
    """A push service."""
    async with receiving() as receiver:
        receiver.answer = lambda request: (201, {})
        yield receiver


async def connect(api: Api, service: Receiver, **more: Any) -> dict[str, Any]:
    origin = service.url.removesuffix("/hook")
    settings = {"kind": "webpush", "subject": "mailto:ops@example.com", "services": [origin]}
    return await api.put("/destinations/browsers", settings | more)


async def subscribe(api: Api, browser: Browser, **who: Any) -> None:
    body = {"writeKey": api.instance.keys["write_key"], "subscription": browser.subscription()}
    answer = await api.client.post("/push/subscriptions", json=body | (who or {"userId": "ada"}))
    assert answer.status_code == 200, answer.text
    await api.settle()


async def write(api: Api, number: int = 1, user: str = "ada", **content: Any) -> None:
    """A message to somebody, as a campaign writes it: its texts are a template's."""
    core, said = api.instance.core, content or SAID
    texts = {name: each for name, each in said.items() if name in FIELDS["push"]}
    await api.put("/templates/news", {"name": "N", "channel": "push", "texts": {"en": texts}})
    more = {name: each for name, each in said.items() if name not in texts}
    profile = core.vault.subject("user_id", user)
    made = number.to_bytes(16)
    delivery = Delivery(
        made, "browsers", profile, "campaign", MESSAGE, times.now(), "marketing_push"
    )
    letter = Letter(delivery, {"template": "news"} | more)

    def sealed(about: bytes, says: Any) -> bytes:
        return core.vault.system.seal(msgspec.json.encode(says), about)

    async with core.database.transaction() as connection:
        await letters.write(connection, [letter], sealed)
        message = Message(DELIVERIES, b"browsers" + profile, made)
        await log_store.emit(connection, [message], core.partitions)
    await api.settle()


async def ledger(api: Api) -> list[dict[str, Any]]:
    return list((await api.get("/deliveries"))["deliveries"])  # type: ignore[call-overload]


@pytest.fixture
async def ada(api: Api, service: Receiver) -> Browser:
    """Ada's browser, which takes messages, and she agreed to them."""
    await connect(api, service)
    browser = Browser(f"{service.url}/ada")
    await subscribe(api, browser)
    allowed = {"purpose": "marketing_push", "state": "granted"}
    await api.put("/consent/user_id:ada", allowed)
    await api.settle()
    return browser


async def test_what_is_sent_opens_with_the_browsers_keys(
    api: Api, service: Receiver, ada: Browser
) -> None:
    await write(api)
    (request,) = service.requests
    opened = ada.opened(request)
    (entry,) = await ledger(api)
    assert opened == SAID | {"tag": entry["id"]}
    assert (entry["state"], entry["status"]) == ("sent", 201)
    assert (request.headers["ttl"], request.headers["urgency"]) == ("86400", "normal")
    query = f"/push/key?writeKey={api.instance.keys['write_key']}"
    key = (await api.client.get(query)).json()["key"]
    assert request.headers["authorization"].endswith(f"k={key}")


async def test_without_consent_nothing_is_sent(api: Api, service: Receiver, ada: Browser) -> None:
    denied = {"purpose": "marketing_push", "state": "denied"}
    await api.put("/consent/user_id:ada", denied)
    await write(api)
    assert service.requests == []
    assert [each["state"] for each in await ledger(api)] == ["refused"]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_forgotten(
    api: Api, service: Receiver, ada: Browser, status: int
) -> None:
    assert len((await api.get("/profiles/user_id:ada"))["push"]) == 1  # type: ignore[arg-type]
    service.answer = lambda request: (status, {})
    await write(api)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["status"], entry["attempts"]) == ("parked", status, 1)
    assert "push" not in await api.get("/profiles/user_id:ada")
    await write(api, 2)
    assert [each["reason"] for each in await ledger(api)] == [f"HTTP {status}", "no subscription"]
    assert len(service.requests) == 1


async def test_of_two_browsers_one_that_is_gone_leaves_the_other(
    api: Api, service: Receiver, ada: Browser
) -> None:
    phone = Browser(f"{service.url}/phone")
    await subscribe(api, phone, userId="ada", anonymousId="phone")
    service.answer = lambda request: (201 if len(service.requests) % 2 else 410, {})
    await write(api)
    assert [each["state"] for each in await ledger(api)] == ["sent"]
    assert len(service.requests) == 2
    assert len((await api.get("/profiles/user_id:ada"))["push"]) == 1  # type: ignore[arg-type]


async def test_a_service_that_is_busy_is_asked_again_when_it_says(
    api: Api, service: Receiver, ada: Browser
) -> None:
    service.answer = lambda request: (503, {"Retry-After": "120"})
    await write(api)
    (entry,) = await ledger(api)
    assert entry["state"] == "retrying"
    wait = times.parse(entry["next_attempt_at"]) - times.now()
    assert 100 * times.SECOND < wait <= 120 * times.SECOND
    service.answer = lambda request: (201, {})
    due = named("update deliveries set due = 1 where due is not null")
    await api.instance.core.database.rows(due)
    await api.instance.driver.jobs.retry_deliveries()
    await api.settle()
    first, second = map(ada.opened, service.requests)
    assert first == second  # by its tag a browser shows it once


@pytest.mark.parametrize("status", [400, 403, 413])
async def test_what_would_be_refused_again_is_not_tried_again(
    api: Api, service: Receiver, ada: Browser, status: int
) -> None:
    service.answer = lambda request: (status, {})
    await write(api)
    assert [each["state"] for each in await ledger(api)] == ["parked"]
    assert len((await api.get("/profiles/user_id:ada"))["push"]) == 1  # type: ignore[arg-type]


async def test_only_the_operators_push_services_are_asked(
    api: Api, service: Receiver, ada: Browser
) -> None:
    await connect(api, service, services=["https://*.push.apple.com"])
    await write(api)
    assert service.requests == []
    (entry,) = await ledger(api)
    assert entry["reason"] == "not one of the push services"


async def test_what_is_too_long_is_said_so(api: Api, service: Receiver, ada: Browser) -> None:
    await write(api, title="x", body="x" * 4000)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["reason"]) == ("parked", f"longer than {sealing.LONGEST} bytes")


async def test_a_browser_is_taken_off(api: Api, service: Receiver, ada: Browser) -> None:
    body = {"writeKey": api.instance.keys["write_key"], "userId": "ada", "removed": True}
    body["subscription"] = ada.subscription()
    assert (await api.client.post("/push/subscriptions", json=body)).is_success
    await api.settle()
    assert "push" not in await api.get("/profiles/user_id:ada")


async def test_nobody_else_is_told_of_subscriptions_and_an_erasure_takes_them(
    api: Api, service: Receiver, ada: Browser
) -> None:
    shown = await api.get("/profiles/user_id:ada")
    assert shown["traits"] == {}
    await done(api, "erase", "user_id:ada")
    assert (await api.call("GET", "/profiles/user_id:ada")).status_code == 404
    await write(api)
    assert service.requests == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"userId": ""}, "userId"),
        ({"subscription": {}}, "subscription.endpoint"),
        ({"endpoint": "file:///etc/passwd"}, "subscription.endpoint"),
        ({"p256dh": "x"}, "subscription.keys.p256dh"),
        ({"auth": "eA"}, "subscription.keys.auth"),
    ],
)
async def test_what_is_no_subscription_is_refused(
    api: Api, change: dict[str, Any], field: str
) -> None:
    subscription = Browser("https://push.example/x").subscription()
    subscription["keys"] |= {n: v for n, v in change.items() if n in {"p256dh", "auth"}}
    subscription |= {n: v for n, v in change.items() if n == "endpoint"}
    body = {"writeKey": api.instance.keys["write_key"], "userId": "ada"}
    body |= {"subscription": subscription}
    body |= {n: v for n, v in change.items() if n in {"userId", "subscription"}}
    answer = await api.client.post("/push/subscriptions", json=body)
    assert answer.status_code == 400
    assert field in answer.json()["message"]


async def test_it_takes_a_write_key_and_no_other(api: Api) -> None:
    body = {"userId": "ada", "subscription": Browser("https://push.example/x").subscription()}
    for key in ("x", api.instance.keys["api_key"]):
        answer = await api.client.post("/push/subscriptions", json=body | {"writeKey": key})
        assert answer.status_code == 401
    known = body | {"writeKey": api.instance.keys["write_key"]}
    assert (await api.client.post("/push/subscriptions", json=known)).status_code == 200
