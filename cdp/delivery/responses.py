"""Opens and clicks: links that say of which delivery they are, and the facts that come of them.

Nobody is measured who does not allow it: neither when an e-mail is written nor when it is opened.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from activation.mail.tracking import tracked
from activation.model import Delivery
from cdp import facts, times
from cdp.errors import NotFound, Unreadable
from cdp.events import Event, Identifier, Instant
from cdp.log.vault import Seal, Vault

PURPOSE = "analytics"  # what people must allow to be measured
PATH = "/r"
LONGEST = 2048  # characters of a token
_CONTEXT = b"link response"
_DAYS = 90  # that an open or a click counts; a link leads on for ever


class Response(msgspec.Struct, frozen=True, array_like=True):
    """What a link says: the delivery, where it leads (empty: it is the picture), until when."""

    delivery: bytes
    url: str
    ends: Instant


@dataclass(frozen=True, slots=True)
class Tracking:
    """Makes the links of e-mails, below the URL that people reach us at."""

    vault: Vault
    base: str

    def __call__(self, view: Mapping[str, Any], delivery: Delivery, html: str) -> str:
        """The HTML, with links that tell where the person allows that."""
        if not allows(view) or not self.base:
            return html
        ends = times.now() + _DAYS * 86_400 * times.SECOND

        def told(url: str) -> str:
            said = sealed(Response(delivery.id, url, ends), self.vault.links)
            return f"{self.base}{PATH}/{said}"

        return tracked(html, told, self.base)


def allows(view: Mapping[str, Any]) -> bool:
    """Whether somebody may be measured."""
    return bool(view.get("consent", {}).get(PURPOSE) == "granted")


def sealed(response: Response, seal: Seal) -> str:
    """The token."""
    closed = seal.seal(msgspec.msgpack.encode(response), _CONTEXT)
    return base64.urlsafe_b64encode(closed).rstrip(b"=").decode()


def opened(token: str, seal: Seal) -> Response:
    """What it says; NotFound if it is none of ours: so it leads nowhere that we did not write."""
    try:
        if len(token) > LONGEST:
            raise Unreadable("too long")
        closed = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", True)
        return msgspec.msgpack.decode(seal.open(closed, _CONTEXT), type=Response)
    except (Unreadable, msgspec.MsgspecError, binascii.Error, ValueError):
        raise NotFound("this link is not whole: take all of it from the message") from None


def fact(vault: Vault, response: Response, delivery: Delivery, who: Identifier) -> Event:
    """That it was opened, or that a link was followed: each once for a delivery."""
    about = {
        "delivery": str(uuid.UUID(bytes=delivery.id)),
        "campaign": delivery.segment,
        "destination": delivery.destination,
    }
    kind = hashlib.sha256(response.url.encode()).hexdigest() if response.url else "opened"
    if response.url:
        about["url"] = response.url
    name = "Email Link Clicked" if response.url else "Email Opened"
    message_id = f"email {kind} {delivery.id.hex()}"
    return facts.fact(vault, "track", about, message_id=message_id, name=name, **facts.about(who))
