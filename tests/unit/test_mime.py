"""E-mails are read by Python's own parser as they were meant, in short lines of seven bits."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import dkim as reference
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from activation.mail import dkim
from activation.mail.dkim import Signer
from activation.mail.mime import field, phrase, words
from activation.mail.writing import Envelope, Unwritable, written

ENVELOPE = Envelope("news@shop.example", "", "", "ada@example.com", b"\x01" * 16, 1_768_469_400)
STRICT: Any = policy.SMTP.clone(raise_on_defect=True)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1)


def read(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=STRICT)
    assert isinstance(found, EmailMessage)
    return found


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@given(texts, texts.filter(bool))
def test_both_texts_arrive_as_they_are(text: str, html: str) -> None:
    raw = written(ENVELOPE, {"subject": "Hi", "html": html, "text": text})
    message = read(raw)
    assert body(message, "plain").splitlines() == (text.splitlines() or [""])
    assert body(message, "html").splitlines() == (html.splitlines() or [""])
    assert all(len(line) <= 78 and line.isascii() for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")


@given(lines, lines)
def test_headers_arrive_as_they_are(subject: str, name: str) -> None:
    envelope = ENVELOPE._replace(name=name)
    raw = written(envelope, {"subject": subject, "html": "<p>Hi</p>", "text": "Hi"})
    message = read(raw)
    assert " ".join(message["subject"].split()) == " ".join(subject.split())
    shown, address = parseaddr(str(message_from_bytes(raw, policy=policy.compat32)["from"]))
    spelled = str(make_header(decode_header(shown)))  # the new parser keeps spaces between words
    assert " ".join(spelled.split()) == " ".join(name.split())
    assert (address, message["to"]) == ("news@shop.example", "ada@example.com")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


def test_a_long_link_to_unsubscribe_is_spelled_out() -> None:
    leave = "https://cdp.example/preferences/unsubscribe/" + "x" * 400
    raw = written(ENVELOPE._replace(leave=leave), {"subject": "Hi", "html": "<p>Hi</p>"})
    assert f"List-Unsubscribe: <{leave}>\r\n".encode() in raw


@pytest.mark.parametrize("bad", ["a\r\nBcc: eve@example.com", "a\nb", "a\x00b", "a\x7fb"])
def test_no_header_is_added(bad: str) -> None:
    said = {"subject": "Hi", "html": "<p>Hi</p>"}
    with pytest.raises(Unwritable):
        written(ENVELOPE, said | {"subject": bad})
    with pytest.raises(Unwritable):
        written(ENVELOPE._replace(name=bad), said)
    with pytest.raises(Unwritable):
        written(ENVELOPE._replace(to=bad), said)


def test_long_lines_are_folded_at_spaces() -> None:
    folded = field("Subject", "word " * 40)
    assert all(len(line) <= 78 for line in folded.split(b"\r\n"))
    assert folded.replace(b"\r\n ", b" ").strip() == b"Subject: " + (b"word " * 40).strip()


def test_names_are_quoted_only_if_they_must() -> None:
    assert phrase("The Shop") == "The Shop"
    assert phrase('Ada "A" B, C') == '"Ada \\"A\\" B, C"'
    assert phrase("Café").startswith("=?utf-8?b?")
    assert words("=?utf-8?q?x?=") != "=?utf-8?q?x?="


@given(texts.filter(bool))
def test_signatures_hold_for_whatever_is_said(html: str) -> None:
    raw = written(ENVELOPE, {"subject": "Hi", "html": html, "text": "  a  \n\n\tb \n\n\n"})
    signed = dkim.signed(raw, Signer("shop.example", "a", KEY), 1_768_469_400)
    der = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    import base64

    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)
    assert reference.verify(signed, dnsfunc=lambda *_, **__: record)
