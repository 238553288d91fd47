"""Push messages to Apple's devices: APNs over HTTP/2, with a provider token."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from marshmallow import ValidationError, fields, validate

from activation.claims import Claim
from activation.kinds.posting import Post, post
from activation.kinds.protocol import DestinationKind, Message, Reach
from activation.kinds.pushing import FOR_GOOD, GONE, Apps, reaches, texts
from activation.model import Destination, Outcome
from activation.posters import ByClient
from activation.push.sealing import signed
from activation.reaching import Transport
from activation.schema import URL, DestinationForm, kind_field
from cdp.events import Instant
from cdp.forms import WholeNumber, Written
from cdp.times import SECOND

KIND = "apns"
_RENEWED = 2400  # seconds: Apple wants it between 20 and 60 minutes
_TEN = Written("^[A-Z0-9]{10}$", error="Must be ten capital letters and digits, as Apple says it.")
_NAME = Written("^[A-Za-z0-9.-]{1,155}$", error="Must be a bundle id, like com.example.shop.")


def _pem(text: str) -> None:
    try:
        _key(text)
    except (ValueError, TypeError):
        raise ValidationError("Must be Apple's .p8 file, as text.") from None


def _key(text: str) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key(text.encode(), None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of an elliptic curve")
    return found


class ApnsDestination(DestinationForm):
    """Apps that registered a token of Apple's."""

    kind = kind_field(KIND)
    topic = fields.String(
        required=True,
        validate=_NAME,
        metadata={"description": "the app's bundle id", "example": "com.example.shop"},
    )
    team_id = fields.String(required=True, validate=_TEN)
    key_id = fields.String(required=True, validate=_TEN)
    private_key = fields.String(
        required=True,
        load_only=True,
        validate=[validate.Length(max=4000), _pem],
        metadata={"description": "the key's .p8 file, as text"},
    )
    ttl = WholeNumber(
        load_default=86_400,
        validate=validate.Range(0, 2_419_200),
        metadata={"description": "seconds that a message is kept for a device"},
    )
    url = fields.String(
        load_default="https://api.push.apple.com",
        validate=[validate.Length(max=2000), URL],
        metadata={"description": "Apple's server; https://api.sandbox.push.apple.com for tests"},
    )


@dataclass(slots=True)
class Apns(Apps):
    """One connection of HTTP/2, kept open, on which many messages go at once."""

    key: ec.EllipticCurvePrivateKey
    client: httpx.AsyncClient
    kind = KIND
    _token: tuple[str, int] = ("", 0)

    async def close(self) -> None:
        """Its own connection."""
        await self.client.aclose()

    async def _push(
        self, device: Mapping[str, Any], message: Message, claim: Claim, now: Instant
    ) -> Outcome:
        token, settings = str(device.get("token", "")), self.destination.settings
        if not token.isalnum():
            return Outcome(False, None, "not a token", final=True)
        about = str(uuid.UUID(bytes=message.delivery.id))
        headers = {
            **message.headers,
            "authorization": f"bearer {self._provider(now)}",
            "apns-topic": settings["topic"],
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-expiration": str(now // SECOND + settings["ttl"]),
            "apns-id": about,
            "apns-collapse-id": about,  # one that comes again takes the place of the first
        }
        url = f"{settings['url'].rstrip('/')}/3/device/{token}"
        told = Post(url, _payload(message), headers, self.destination.timeout)
        outcome = await post(ByClient(self.client), told, claim, now)
        if outcome.status == httpx.codes.FORBIDDEN:
            self._token = ("", 0)
        return outcome._replace(final=outcome.status in FOR_GOOD | GONE)

    def _provider(self, now: Instant) -> str:
        seconds = now // SECOND
        if seconds - self._token[1] > _RENEWED:
            settings = self.destination.settings
            claims = {"iss": settings["team_id"], "iat": seconds}
            self._token = signed(claims, self.key, kid=settings["key_id"]), seconds
        return self._token[0]


def _payload(message: Message) -> bytes:
    content = message.content
    alert = {name: content[name] for name in ("title", "body") if content.get(name)}
    return msgspec.json.encode({**texts(message), "aps": {"alert": alert, "sound": "default"}})


def _opened(destination: Destination, secrets: Mapping[str, str], reach: Reach) -> Apns:
    transport = Transport(private=reach.private, http2=True)
    client = httpx.AsyncClient(transport=transport, follow_redirects=False)
    return Apns(reach, destination, _key(secrets["private_key"]), client)


APNS = DestinationKind(
    ApnsDestination,
    _opened,
    made={},
    changes=False,
    messages=frozenset({"push"}),
    channel="push",
    reaches=reaches(KIND),
)
