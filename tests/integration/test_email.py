"""E-mail: rendered, signed and handed over once; what cannot be is said, and nobody is trapped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import Api
from tests.integration.test_deliveries import due_now
from tests.support.smtp import Mailbox, mailing

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
ADA = "ada@example.com"
PURPOSE = "marketing_email"


def public(name: bytes, timeout: int = 5) -> bytes:
    """The DNS record of the key."""
    assert name == b"2026a._domainkey.shop.example."
    der = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    import base64

    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailing() as found:
        yield found


async def connect(api: Api, box: Mailbox, **more: Any) -> dict[str, Any]:
    settings = {
        "kind": "email",
        "host": "127.0.0.1",
        "port": box.port,
        "security": "none",
        "from_address": "news@shop.example",
        "from_name": "The Shop",
        "purpose": PURPOSE,
        "dkim_selector": "2026a",
        "dkim_key": PEM,
    }
    return await api.put("/destinations/mail", settings | more)


async def say(api: Api, html: str = "<p>Hi {{ person.name }}</p>", **more: Any) -> dict[str, Any]:
    text = {"subject": "Hi {{ person.name }}", "html": html} | more
    return await api.put(
        "/templates/hello", {"name": "Hello", "channel": "email", "texts": {"en": text}}
    )


async def ada(api: Api, name: str = "Ada", **traits: Any) -> None:
    traits = {"email": ADA, "name": name} | traits
    await api.send("/v1/identify", {"userId": "ada", "traits": traits})
    await api.settle()
    await api.put("/consent/user_id:ada", {"purpose": PURPOSE, "state": "granted"})
    await api.settle()


async def send(api: Api, **more: Any) -> dict[str, Any]:
    """A test, and its entry in the ledger."""
    said = {"destination": "mail", "profile": "user_id:ada", "purpose": PURPOSE} | more
    answer = await api.call("POST", "/templates/hello/send", json=said)
    assert answer.status_code == 200, answer.text
    await api.settle()
    found: Any = (await api.get("/deliveries"))["deliveries"]
    (entry,) = [each for each in found if each["id"] == answer.json()["delivery"]]
    return dict(entry)


async def test_what_arrives_is_well_formed_signed_and_has_a_way_out(api: Api, box: Mailbox) -> None:
    shown = await connect(api, box)
    assert "dkim_key" not in shown
    await say(api, "<p>Hi {{ person.name }} <a href='{{ links.preferences }}'>choose</a></p>")
    await ada(api)
    entry = await send(api)
    assert (entry["state"], entry["status"], entry["change"]) == ("sent", 250, "message")
    (message,), (raw,) = box.messages, box.raw
    assert message["subject"] == "Hi Ada"
    assert message["from"] == "The Shop <news@shop.example>"
    assert (message["to"], box.to) == (ADA, [ADA])
    assert message["message-id"] == f"<{entry['id']}@shop.example>"
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None and text is not None
    assert "<p>Hi Ada <a href='http://cdp.test/preferences/" in html.get_content()
    assert text.get_content().startswith("Hi Ada choose (http://cdp.test/preferences/")
    assert dkim.verify(raw, dnsfunc=public)
    assert not dkim.verify(raw.replace(b"Subject: Hi", b"Subject: Ho"), dnsfunc=public)
    assert not dkim.verify(b"From: b@evil.example\r\n" + raw, dnsfunc=public)


async def test_one_click_takes_the_person_out(api: Api, box: Mailbox) -> None:
    await connect(api, box)
    await say(api)
    await ada(api)
    await send(api)
    (message,) = box.messages
    leave = message["list-unsubscribe"].strip("<>")
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    answer = await api.client.post(leave, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200, answer.text
    await api.settle()
    entry = await send(api)
    assert (entry["state"], entry["reason"]) == ("refused", "consent")
    assert len(box.raw) == 1


async def test_what_people_say_of_themselves_stays_text(api: Api, box: Mailbox) -> None:
    await connect(api, box)
    await say(api, preheader="{{ person.name }}", text="{{ person.name }}")
    name = "<script>x</script>\r\nBcc: eve@example.com\r\n\r\nbody {{ 7 * 7 }}"
    await ada(api, name)
    assert (await send(api))["state"] == "sent"
    (message,) = box.messages
    assert (message["bcc"], box.to) == (None, [ADA])
    assert message["subject"].startswith("Hi <script>x</script> Bcc: eve")
    html = message.get_body(("html",))
    assert html is not None
    assert html.get_content().count("&lt;script&gt;") == 2
    assert "<script>" not in html.get_content()
    assert "{{ 7 * 7 }}" in html.get_content()


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        ("550 5.1.1 <ada@example.com> unknown", "parked", "SMTP 550 5.1.1"),
        ("451 4.7.1 ada@example.com later", "retrying", "SMTP 451 4.7.1"),
    ],
)
async def test_what_a_server_says_decides_and_is_told_without_the_address(
    api: Api, box: Mailbox, said: str, state: str, reason: str
) -> None:
    await connect(api, box)
    await say(api)
    await ada(api)
    box.answer = lambda _: said
    entry = await send(api)
    assert (entry["state"], entry["reason"]) == (state, reason)


async def test_a_server_that_hangs_up_gets_the_same_message_again(api: Api, box: Mailbox) -> None:
    await connect(api, box)
    await say(api)
    await ada(api)
    box.end = lambda number: "" if number == 1 else "250 OK"
    entry = await send(api)
    assert (entry["state"], entry["attempts"]) == ("retrying", 1)
    await due_now(api)
    found: Any = (await api.get("/deliveries"))["deliveries"]
    assert (found[-1]["state"], found[-1]["attempts"]) == ("sent", 2)
    assert len({each["message-id"] for each in box.messages}) == 1
    assert len(box.messages) == 2


async def test_nobody_is_written_to_who_has_no_address_or_no_consent(
    api: Api, box: Mailbox
) -> None:
    await connect(api, box)
    await say(api, "<p>Hi</p>", subject="Hi")
    await api.send("/v1/identify", {"userId": "ada", "traits": {"name": "Ada"}})
    await api.settle()
    assert (await send(api))["reason"] == "consent"
    await api.put("/consent/user_id:ada", {"purpose": PURPOSE, "state": "granted"})
    await api.settle()
    entry = await send(api)
    assert (entry["state"], entry["reason"]) == ("parked", "no e-mail address")
    assert box.raw == []


async def test_connections_are_kept(api: Api, box: Mailbox) -> None:
    await connect(api, box, connections=1)
    await say(api)
    await ada(api)
    for _ in range(3):
        assert (await send(api))["state"] == "sent"
    assert len(box.sessions) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"host": "169.254.169.254"}, "host"),
        ({"from_address": "a@b.example\r\nBcc: x@example.com"}, "from_address"),
        ({"from_name": "a\r\nBcc: x@example.com"}, "from_name"),
        ({"dkim_key": "x"}, "dkim_key"),
        ({"dkim_selector": ""}, "dkim_selector"),
        ({"username": "u"}, "security"),
    ],
)
async def test_settings_that_cannot_be_are_named(
    api: Api, box: Mailbox, change: dict[str, Any], told: str
) -> None:
    settings = {"kind": "email", "host": "mail.example", "from_address": "a@shop.example"}
    settings |= {"security": "none", "dkim_selector": "a", "dkim_key": PEM} | change
    answer = await api.call("PUT", "/destinations/mail", json=settings)
    assert (answer.status_code, answer.json()["field"]) == (400, told)


def test_an_address_is_one() -> None:
    from activation.mail.writing import ADDRESS

    assert ADDRESS.fullmatch("ada+x@mail.example.com")
    bad = ("a@b@c", "a b@c.example", "a@-b.example", "a\n@b.example", "<a@b.example>", "a@b..c")
    assert not any(map(ADDRESS.fullmatch, bad))
    assert re.fullmatch(ADDRESS, "x" * 300 + "@") is None


async def test_entries_are_nothing_to_send_by_mail_and_nobody_says_they_were(
    api: Api, box: Mailbox
) -> None:
    await connect(api, box)
    await api.put("/segments/all", {"name": "All", "where": {"event": "Seen"}})
    await ada(api)
    await api.send("/v1/track", {"userId": "ada", "event": "Seen"})
    await api.settle()
    assert (await api.get("/profiles/user_id:ada"))["segments"] == ["all"]
    assert (await api.get("/deliveries"))["deliveries"] == []
    for field, value in (("segments", ["all"]), ("consent_events", True)):
        said = {"kind": "email", "host": "mail.example", "from_address": "a@shop.example"}
        answer = await api.call("PUT", "/destinations/mail", json=said | {field: value})
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
        assert "Leave it out" in answer.text
