"""Providers' webhooks suppress like reports that come back by mail, and only for their own mail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cdp.api import providing
from tests.conftest import Api
from tests.integration.test_bounces import count
from tests.integration.test_email import ada, connect, say, send
from tests.support.providers import CERTIFICATE, SUBSCRIBE, Mailgun, Post
from tests.support.smtp import Mailbox, mailing
from tests.unit.test_providers import MADE


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailing() as found:
        yield found


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is fetched from Amazon."""
    fetched: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        fetched.append(str(request.url))
        return httpx.Response(200, content=MADE["ses"].pem)

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(providing, "Transport", lambda **_: transport)
    return fetched


async def sent(api: Api, box: Mailbox, provider: str) -> str:
    """A message to Ada; returns its Message-ID."""
    secret = MADE[provider].secret
    shown = await connect(api, box, provider=provider, provider_secret=secret)
    assert "provider_secret" not in shown
    await say(api)
    await ada(api)
    assert (await send(api))["state"] == "sent"
    return str(box.messages[-1]["message-id"])


async def post(api: Api, post: Post, key: str = "mail") -> httpx.Response:
    return await api.client.post(f"/bounces/{key}", content=post.body, headers=post.headers)


@pytest.mark.parametrize("provider", MADE)
async def test_a_bounce_is_a_fact_once_and_suppresses(
    api: Api, box: Mailbox, amazon: list[str], provider: str
) -> None:
    message_id = await sent(api, box, provider)
    for _ in range(2):
        answer = await post(api, MADE[provider].posted(message_id))
        assert (answer.status_code, answer.json()) == (200, {"taken": 1})
    assert await count(api, "Email Bounced") == 1
    entry = await send(api)
    assert (entry["state"], entry["consent"]["because"]) == ("refused", "suppressed")
    assert len(amazon) <= 1


async def test_postmark_is_told_which_delivery_it_is(api: Api, box: Mailbox) -> None:
    message_id = await sent(api, box, "postmark")
    assert box.messages[-1]["x-pm-metadata-delivery"] in message_id


async def test_a_soft_bounce_suppresses_nobody(api: Api, box: Mailbox) -> None:
    message_id = await sent(api, box, "mailgun")
    await post(api, Mailgun().posted(message_id, status="5.2.2"))
    assert await count(api, "Email Bounced") == 1
    assert (await send(api))["state"] == "sent"


async def test_a_topic_is_confirmed(api: Api, box: Mailbox, amazon: list[str]) -> None:
    await connect(api, box, provider="ses", provider_secret=MADE["ses"].secret)
    answer = await post(api, MADE["ses"].confirmation())
    assert (answer.status_code, answer.json()) == (200, {"taken": 0})
    assert amazon == [CERTIFICATE, SUBSCRIBE]


async def test_a_provider_says_nothing_of_what_others_sent(api: Api, box: Mailbox) -> None:
    message_id = await sent(api, box, "mailgun")
    other = {"kind": "email", "host": "127.0.0.1", "port": box.port, "security": "none"}
    other |= {"from_address": "b@other.example", "provider": "mailgun"}
    await api.put("/destinations/other", other | {"provider_secret": "another"})
    stranger = Mailgun()
    stranger.secret = "another"
    answer = await post(api, stranger.posted(message_id), "other")
    assert (answer.status_code, answer.json()) == (200, {"taken": 0})
    assert (await post(api, stranger.posted(message_id))).status_code == 401
    assert await count(api, "Email Bounced") == 0


@pytest.mark.parametrize(
    ("key", "status"), [("nowhere", 404), ("mail", 401)], ids=["unknown", "unsigned"]
)
async def test_who_is_no_provider_is_refused(api: Api, box: Mailbox, key: str, status: int) -> None:
    await connect(api, box, provider="mailgun", provider_secret="key")
    assert (await post(api, Post({}, b"{}"), key)).status_code == status


async def test_a_key_that_is_none_is_named(api: Api, box: Mailbox) -> None:
    settings: dict[str, Any] = {"kind": "email", "host": "mail.example", "security": "none"}
    settings |= {"from_address": "a@b.example", "provider": "sendgrid", "provider_secret": "x"}
    answer = await api.call("PUT", "/destinations/mail", json=settings)
    assert (answer.status_code, answer.json()["field"]) == (400, "provider_secret")
