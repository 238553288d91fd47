"""The webhook connector: signed as Standard Webhooks says (standardwebhooks.com, 1.0.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from marshmallow import fields, validate

from activation.audiences.model import batch_id
from activation.audiences.schema import AudienceForm
from activation.claims import Claim
from activation.kinds.posting import Post, post
from activation.kinds.protocol import DestinationKind, Message, Reach
from activation.model import Destination, Outcome, body
from activation.posters import Poster
from activation.schema import kind_field, url_field
from cdp.events import Instant
from cdp.forms import WholeNumber, Written
from cdp.times import SECOND, iso

_DIGIT = "[A-Za-z0-9+/]"
_SECRET = Written(
    f"^whsec_(({_DIGIT}{{4}}){{8,20}}({_DIGIT}{{2}}==|{_DIGIT}{{3}}=)?"
    f"|({_DIGIT}{{4}}){{21}}({_DIGIT}{{2}}==)?)$",
    error="Must be whsec_ and the base64 of 24 to 64 bytes; or leave it out.",
)


class WebhookDestination(AudienceForm):
    """Where each message is posted, signed."""

    kind = kind_field("webhook")
    url = url_field("https://hooks.example.com/cdp")
    batch = WholeNumber(
        validate=validate.Range(2, 64),
        metadata={
            "description": "so many messages at most in one request; one by itself if left out"
        },
    )
    secret = fields.String(
        load_only=True,
        validate=_SECRET,
        metadata={"description": "signing key as whsec_…; one is made if left out"},
    )


def new_secret() -> str:
    """A signing secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, message_id: str, timestamp: int, payload: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.payload`; `secret` is `whsec_…`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + payload
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


class _Told(NamedTuple):
    """What one request says."""

    id: str
    payload: bytes
    headers: Mapping[str, str]


def _said(message: Message) -> dict[str, Any]:
    return body(message.delivery, message.view, message.content)


def _single(message: Message) -> _Told:
    message_id = str(uuid.UUID(bytes=message.delivery.id))
    return _Told(message_id, msgspec.json.encode(_said(message)), message.headers)


def _batch(messages: Sequence[Message], now: Instant) -> _Told:
    """A list, even of one; by the id of each a receiver ignores what it has seen."""
    data = [{"id": str(uuid.UUID(bytes=each.delivery.id)), **_said(each)} for each in messages]
    told = {"type": "batch", "timestamp": iso(now), "data": data}
    message_id = str(batch_id([each.delivery for each in messages]))
    return _Told(message_id, msgspec.json.encode(told), messages[0].headers)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts deliveries to one destination."""

    poster: Poster
    destination: Destination
    secret: str
    most: int = 1

    async def send(
        self, messages: Sequence[Message], claim: Claim, now: Instant
    ) -> Sequence[Outcome]:
        """`webhook-id` is the delivery's id: a receiver that has seen it can ignore it.

        Late, and not a byte of it is sent, if the claim is over when there is a connection.
        """
        if "batch" in self.destination.settings:
            return [await self._post(_batch(messages, now), claim, now)] * len(messages)
        return [await self._post(_single(each), claim, now) for each in messages]

    async def close(self) -> None:
        """The connections are everybody's."""

    async def _post(self, told: _Told, claim: Claim, now: Instant) -> Outcome:
        timestamp = now // SECOND
        headers = {
            **told.headers,
            "content-type": "application/json",
            "user-agent": "cdp",
            "webhook-id": told.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self.secret, told.id, timestamp, told.payload),
        }
        url, timeout = self.destination.settings["url"], self.destination.timeout
        return await post(self.poster, Post(url, told.payload, headers, timeout), claim, now)


def _opened(destination: Destination, secrets_: Mapping[str, str], reach: Reach) -> Webhook:
    most: int = destination.settings.get("batch", 1)
    return Webhook(reach.poster, destination, secrets_["secret"], most)


WEBHOOK = DestinationKind(
    WebhookDestination,
    _opened,
    made={"secret": new_secret},
    messages=frozenset({"email", "push", "data"}),
)
