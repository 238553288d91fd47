"""An e-mail as it travels: headers that nobody can add to, text and HTML beside each other."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from html import escape
from typing import Any, NamedTuple

from activation.mail.mime import alternatives, field, part, phrase, words

ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
MOST = 254  # characters of an address (RFC 5321 section 4.5.3.1.3, less the brackets)
_BODY = re.compile("<body[^>]*>", re.IGNORECASE)


class Unwritable(Exception):
    """It cannot be made an e-mail; the message says nothing of anybody."""


class Envelope(NamedTuple):
    """Between whom, and about which delivery."""

    sender: str
    name: str
    reply_to: str
    to: str
    delivery: bytes
    seconds: int  # since 1970
    leave: str = ""  # a link to unsubscribe by with one click
    tagged: bool = False  # whether Postmark is to say of which delivery a bounce is


def address_of(view: Mapping[str, Any]) -> str:
    """Where somebody reads e-mail; empty if that is not known."""
    known: Sequence[str] = view.get("identifiers", {}).get("email", ())
    good = [each for each in known if len(each) <= MOST and ADDRESS.fullmatch(each)]
    trait = view.get("traits", {}).get("email")
    wished = trait.lower() if isinstance(trait, str) else ""
    return wished if wished in good else good[0] if good else ""


def message_id(delivery: bytes, sender: str) -> str:
    """The same for every try of one delivery."""
    return f"<{uuid.UUID(bytes=delivery)}@{sender.rpartition('@')[2]}>"


def previewed(html: str, preheader: str) -> str:
    """With the line that mailboxes show beside the subject, which the message itself hides."""
    if not preheader:
        return html
    hidden = f'<div style="display:none;max-height:0;overflow:hidden">{escape(preheader)}</div>'
    found = _BODY.search(html)
    at = found.end() if found else 0
    return html[:at] + hidden + html[at:]


def written(envelope: Envelope, content: Mapping[str, Any]) -> bytes:
    """The message; Unwritable if there is none to write."""
    if not content.get("subject") or not content.get("html"):
        raise Unwritable("no subject and HTML: is there such an e-mail template?")
    html = previewed(str(content["html"]), str(content.get("preheader") or ""))
    try:
        parts = [part("plain", str(content.get("text") or "")), part("html", html)]
        fields = [field(name, value) for name, value in _head(envelope, str(content["subject"]))]
    except (ValueError, UnicodeError) as error:
        raise Unwritable(type(error).__name__) from None
    return b"".join(fields) + alternatives(f"=_{envelope.delivery.hex()}", parts)


def _head(envelope: Envelope, subject: str) -> Iterator[tuple[str, str]]:
    sender = f"{phrase(envelope.name)} <{envelope.sender}>" if envelope.name else envelope.sender
    yield "From", sender
    yield "To", envelope.to
    yield "Subject", words(subject)
    yield "Date", formatdate(envelope.seconds, usegmt=True)
    yield "Message-ID", message_id(envelope.delivery, envelope.sender)
    if envelope.tagged:
        yield "X-PM-Metadata-delivery", str(uuid.UUID(bytes=envelope.delivery))
    if envelope.reply_to:
        yield "Reply-To", envelope.reply_to
    if envelope.leave:
        yield "List-Unsubscribe", f"<{envelope.leave}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"
