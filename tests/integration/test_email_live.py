"""E-mail to servers as they are out there: TLS that is checked, passwords, unknown addresses."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Api
from tests.integration.test_bounces import count
from tests.integration.test_deliveries import due_now
from tests.integration.test_email import ADA, ada, connect, say, send
from tests.support.certificates import certificates
from tests.support.smtp import Mailbox, mailing, only


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailing() as found:
        yield found


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's, for 127.0.0.1, of an authority that this machine trusts."""
    return tls(tmp_path, monkeypatch, trusted=True)


def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool) -> ssl.SSLContext:
    made = certificates()
    chain, authority = tmp_path / "server.pem", tmp_path / "authority.pem"
    chain.write_bytes(made.server)
    authority.write_bytes(made.authority if trusted else certificates().authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


async def sent(api: Api, box: Mailbox, **settings: Any) -> tuple[str, str]:
    """State and reason of a message to Ada."""
    await connect(api, box, **settings)
    await say(api)
    await ada(api)
    entry = await send(api)
    return entry["state"], entry["reason"]


async def test_implicit_tls(api: Api, context: ssl.SSLContext) -> None:
    with mailing(ssl_context=context) as box:
        assert await sent(api, box, security="tls") == ("sent", "")
    assert box.to == [ADA]


async def test_starttls_before_anything_is_said(api: Api, context: ssl.SSLContext) -> None:
    with mailing(tls_context=context, require_starttls=True) as box:
        assert await sent(api, box, security="starttls") == ("sent", "")
    assert box.to == [ADA]


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_who_offers_no_tls_gets_nothing(api: Api, box: Mailbox, security: str) -> None:
    """As somebody between us would have it, who takes STARTTLS out of what the server says."""
    state, reason = await sent(api, box, security=security, username="shop", password="secret")
    assert state == "retrying"
    assert reason in {"SMTPException", "SMTPConnectError", "SSLError"}
    assert (box.raw, box.to) == ([], [])


@pytest.mark.parametrize("how", ["tls", "starttls"])
async def test_a_certificate_for_another_host(api: Api, context: ssl.SSLContext, how: str) -> None:
    options: dict[str, Any] = {"tls": {"ssl_context": context}, "starttls": {}}[how]
    with mailing(**options or {"tls_context": context}) as box:
        state, reason = await sent(api, box, security=how, host="localhost")
    assert (state, box.raw) == ("retrying", [])
    assert "SSL" in reason or reason == "SMTPConnectError"


async def test_a_certificate_of_nobody_known(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mailing(tls_context=tls(tmp_path, monkeypatch, trusted=False)) as box:
        state, _ = await sent(api, box, security="starttls")
    assert (state, box.raw) == ("retrying", [])


@pytest.mark.parametrize(
    ("password", "told"), [("s3cret", ("sent", "")), ("guess", ("retrying", "SMTP 535 5.7.8"))]
)
async def test_a_password(
    api: Api, context: ssl.SSLContext, password: str, told: tuple[str, str]
) -> None:
    options = {"authenticator": only("shop", "s3cret"), "auth_required": True}
    with mailing(tls_context=context, **options) as box:
        said = {"security": "starttls", "username": "shop", "password": password}
        assert await sent(api, box, **said) == told
    assert len(box.raw) == (told[0] == "sent")


@pytest.mark.parametrize("said", ["550 5.1.1 <ada@example.com> unknown", "556 5.1.10 null MX"])
async def test_an_address_that_the_server_does_not_know_is_suppressed(
    api: Api, box: Mailbox, said: str
) -> None:
    box.answer = lambda _: said
    assert await sent(api, box) == ("parked", f"SMTP {' '.join(said.split()[:2])}")
    assert await count(api, "Email Bounced") == 1
    entry = await send(api)
    assert (entry["state"], entry["consent"]["because"]) == ("refused", "suppressed")


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("550 5.7.1 not from you", "parked"),
        ("553 5.1.8 your domain is unknown", "parked"),
        ("550 go away", "parked"),
        ("450 4.1.1 perhaps later", "retrying"),
    ],
)
async def test_what_says_nothing_of_the_address_suppresses_nobody(
    api: Api, box: Mailbox, said: str, state: str
) -> None:
    box.answer = lambda _: said
    assert (await sent(api, box))[0] == state
    assert await count(api, "Email Bounced") == 0
    box.answer = lambda _: "250 OK"
    assert (await send(api))["state"] == "sent"


async def test_what_is_put_off_arrives_later(api: Api, box: Mailbox) -> None:
    box.answer = lambda _: "451 4.7.1 greylisted"
    assert (await sent(api, box))[0] == "retrying"
    box.answer = lambda _: "250 OK"
    await due_now(api)
    assert box.to == [ADA]
