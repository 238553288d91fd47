"""An e-mail as it travels: headers that nobody can add to, text and HTML beside each other."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from html import escape
from typing import Any, NamedTuple

ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
MOST = 254  # characters of an address (RFC 5321 section 4.5.3.1.3, less the brackets)
_BODY = re.compile("<body[^>]*>", re.IGNORECASE)
_POLICY = policy.SMTP.clone(max_line_length=78, cte_type="7bit")


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
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = Address(envelope.name, addr_spec=envelope.sender)
        message["To"] = Address(addr_spec=envelope.to)
        message["Subject"] = str(content["subject"])
        message["Date"] = formatdate(envelope.seconds, usegmt=True)
        message["Message-ID"] = message_id(envelope.delivery, envelope.sender)
        if envelope.reply_to:
            message["Reply-To"] = Address(addr_spec=envelope.reply_to)
        if envelope.leave:
            message["List-Unsubscribe"] = f"<{envelope.leave}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(str(content.get("text") or ""), cte="quoted-printable")
        html = previewed(str(content["html"]), str(content.get("preheader") or ""))
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        return message.as_bytes()
    except (ValueError, MessageError, UnicodeError) as error:
        raise Unwritable(type(error).__name__) from None
