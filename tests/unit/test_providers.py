"""What providers post is theirs or refused, ours or left out, for good or not."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from activation.mail.providers import PROVIDERS
from activation.mail.providers.protocol import NotTheirs, Posted
from activation.mail.reports import Report, Unreadable
from tests.support.providers import (
    CERTIFICATE,
    SUBSCRIBE,
    Amazon,
    Mailgun,
    Post,
    Postmark,
    SendGrid,
)

DELIVERY = uuid.UUID("0b0e1f6a-7c1d-5d3e-9a53-0c7a2f6d9b11")
OURS, OTHERS = f"<{DELIVERY}@shop.example>", "<20260115.1@elsewhere.example>"
MADE: dict[str, Any] = {
    "ses": Amazon(),
    "sendgrid": SendGrid(),
    "postmark": Postmark(),
    "mailgun": Mailgun(),
}


def read(provider: str, post: Post, fetched: list[str] | None = None, **more: Any) -> list[Report]:
    async def fetch(url: str) -> bytes:
        if fetched is not None:
            fetched.append(url)
        return bytes(MADE["ses"].pem)

    headers = {name.lower(): value for name, value in post.headers.items()}
    posted = Posted(headers, post.body, MADE[provider].secret, int(time.time()), fetch)
    return asyncio.run(_read(provider, posted._replace(**more)))


async def _read(provider: str, posted: Posted) -> list[Report]:
    return await PROVIDERS[provider](posted)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_hard_bounce_is_for_good(provider: str) -> None:
    (report,) = read(provider, MADE[provider].posted(OURS))
    assert report == Report("bounced", DELIVERY.bytes, "5.1.1", lasting=True)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_full_mailbox_is_not(provider: str) -> None:
    (report,) = read(provider, MADE[provider].posted(OURS, status="5.2.2"))
    assert (report.kind, report.status, report.lasting) == ("bounced", "5.2.2", False)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_complaint(provider: str) -> None:
    (report,) = read(provider, MADE[provider].posted(OURS, "complaint"))
    assert (report.kind, report.lasting) == ("complained", True)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_others_sent_with_the_same_account_is_left_out(provider: str) -> None:
    assert read(provider, MADE[provider].posted(OTHERS)) == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_with_another_secret_it_is_not_theirs(provider: str) -> None:
    post, secret = MADE[provider].posted(OURS), MADE[provider].secret
    other = SendGrid().secret if provider == "sendgrid" else secret + "x"
    with pytest.raises(NotTheirs):
        read(provider, post, secret=other)


@pytest.mark.parametrize(
    ("provider", "change"),
    [
        ("ses", lambda said: said | {"Message": said["Message"].replace("5.1.1", "5.2.2")}),
        ("ses", lambda said: said | {"SignatureVersion": "3"}),
        ("ses", lambda said: said | {"Signature": "x"}),
        ("ses", lambda said: said | {"SigningCertURL": "https://evil.example/a.pem"}),
        ("ses", lambda said: said | {"SigningCertURL": CERTIFICATE.replace("https", "http")}),
        (
            "ses",
            lambda said: (
                said | {"SigningCertURL": "https://sns.x.amazonaws.com.evil.example/a.pem"}
            ),
        ),
        (
            "ses",
            lambda said: said | {"SigningCertURL": "https://sns.abc.amazonaws.com@evil.example/a"},
        ),
        ("sendgrid", lambda said: said[:1]),
        ("mailgun", lambda said: said | {"signature": {}}),
        ("mailgun", lambda said: []),
    ],
    ids=range(10),
)
def test_what_was_changed_on_the_way_is_not_theirs(
    provider: str, change: Callable[[Any], Any]
) -> None:
    post = MADE[provider].posted(OURS)
    body = json.dumps(change(json.loads(post.body))).encode()
    with pytest.raises(NotTheirs):
        read(provider, Post(post.headers, body))


def test_an_old_signature_of_mailgun_is_none() -> None:
    with pytest.raises(NotTheirs):
        read("mailgun", Mailgun().posted(OURS, at=int(time.time()) - 90_000))


def test_without_a_password_it_is_not_postmarks() -> None:
    post = Postmark().posted(OURS)
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic ä"}):
        with pytest.raises(NotTheirs):
            read("postmark", Post(headers, post.body))


def test_a_topic_is_confirmed_at_amazon_and_nowhere_else() -> None:
    fetched: list[str] = []
    assert read("ses", MADE["ses"].confirmation(), fetched) == []
    assert fetched == [CERTIFICATE, SUBSCRIBE]
    fetched.clear()
    with pytest.raises(NotTheirs):
        read("ses", MADE["ses"].confirmation("https://evil.example/"), fetched)
    with pytest.raises(NotTheirs):
        read("ses", Amazon().confirmation(), fetched)
    assert fetched == [CERTIFICATE, CERTIFICATE]


@pytest.mark.parametrize("provider", ["ses", "sendgrid", "mailgun"])
@pytest.mark.parametrize("body", [b"", b"[", b"null", b"[1]", b'{"signature": 1}'])
def test_nonsense_is_refused(provider: str, body: bytes) -> None:
    with pytest.raises((NotTheirs, Unreadable)):
        read(provider, Post({}, body))
