"""Push messages to browsers: sealed for each, over the push service that it has chosen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from marshmallow import ValidationError, fields, validate

from activation.claims import Claim
from activation.kinds.posting import Post, post
from activation.kinds.protocol import DestinationKind, Message, Reach
from activation.kinds.pushing import FOR_GOOD, GONE, everywhere, reaches
from activation.model import Destination, Outcome
from activation.push.sealing import LONGEST, authorization, new_key, private, sealed
from activation.schema import DestinationForm, kind_field
from cdp.events import Instant
from cdp.forms import WholeNumber, Written
from cdp.times import SECOND

KIND = "webpush"
_HOURS = 12 * 3600  # that a signature holds; a day at most
_SERVICES = (
    "https://fcm.googleapis.com",
    "https://*.push.services.mozilla.com",
    "https://*.push.apple.com",
    "https://*.notify.windows.com",
)
_SERVICE = Written(
    r"^https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
    error="Must be an origin, like https://fcm.googleapis.com or https://*.push.apple.com.",
)
_SUBJECT = Written(
    "^(mailto:[^@ ]+@[^@ ]+|https://[!-~]+)$",
    error="Must be mailto: and an address, or an https URL: where a push service reaches you.",
)


def _private(text: str) -> None:
    try:
        private(text)
    except ValueError:
        raise ValidationError(
            "Must be a private key of P-256, as base64; or leave it out."
        ) from None


class WebPushDestination(DestinationForm):
    """Browsers that subscribed; pages do so with the public half of `private_key`."""

    kind = kind_field(KIND)
    subject = fields.String(
        required=True,
        validate=[validate.Length(max=200), _SUBJECT],
        metadata={"description": "how push services reach you", "example": "mailto:a@example.com"},
    )
    ttl = WholeNumber(
        load_default=86_400,
        validate=validate.Range(0, 2_419_200),
        metadata={"description": "seconds that a push service keeps a message for a browser"},
    )
    urgency = fields.String(
        load_default="normal", validate=validate.OneOf(["very-low", "low", "normal", "high"])
    )
    services = fields.List(
        fields.String(validate=_SERVICE),
        load_default=lambda: list(_SERVICES),
        validate=validate.Length(1, 20),
        metadata={"description": "push services that may be asked: a page names any"},
    )
    private_key = fields.String(
        load_only=True,
        validate=_private,
        metadata={"description": "signing key, 32 bytes as base64; one is made if left out"},
    )


@dataclass(frozen=True, slots=True)
class WebPush:
    """Posts to the push services of whoever is written to."""

    reach: Reach
    destination: Destination
    key: ec.EllipticCurvePrivateKey
    most: int = 1

    async def send(
        self, messages: Sequence[Message], claim: Claim, now: Instant
    ) -> Sequence[Outcome]:
        """To every browser of each person. It counts as sent once one of them took it."""
        return [await self._tell(each, claim, now) for each in messages]

    async def close(self) -> None:
        """The connections are everybody's."""

    async def _tell(self, message: Message, claim: Claim, now: Instant) -> Outcome:
        payload = _payload(message)
        if len(payload) > LONGEST:
            return Outcome(False, None, f"longer than {LONGEST} bytes", final=True)

        async def push(subscription: Mapping[str, Any]) -> Outcome:
            return await self._push(payload, subscription, message, claim, now)

        return await everywhere(message, KIND, self.reach, push)

    async def _push(
        self,
        payload: bytes,
        subscription: Mapping[str, Any],
        message: Message,
        claim: Claim,
        now: Instant,
    ) -> Outcome:
        try:
            url = httpx.URL(subscription["endpoint"])
            body = sealed(payload, subscription["p256dh"], subscription["auth"])
        except (httpx.InvalidURL, KeyError, TypeError, ValueError):
            return Outcome(False, None, "not a subscription", final=True)
        origin = f"{url.scheme}://{url.netloc.decode()}"
        if not any(_fits(origin, each) for each in self.destination.settings["services"]):
            return Outcome(False, None, "not one of the push services", final=True)
        expires = now // SECOND + _HOURS
        headers = {
            **message.headers,
            "authorization": authorization(
                origin, self.destination.settings["subject"], expires, self.key
            ),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(self.destination.settings["ttl"]),
            "urgency": self.destination.settings["urgency"],
        }
        told = Post(str(url), body, headers, self.destination.timeout)
        outcome = await post(self.reach.poster, told, claim, now)
        return outcome._replace(final=outcome.status in FOR_GOOD | GONE)


def _payload(message: Message) -> bytes:
    said = {
        name: message.content[name]
        for name in ("title", "body", "url", "icon", "data")
        if message.content.get(name)
    }
    return msgspec.json.encode(said | {"tag": str(uuid.UUID(bytes=message.delivery.id))})


def _fits(origin: str, service: str) -> bool:
    scheme, _, rest = service.partition("://")
    if not rest.startswith("*."):
        return origin == service
    found, _, host = origin.partition("://")
    return found == scheme and host.endswith(rest[1:])


def _opened(destination: Destination, secrets: Mapping[str, str], reach: Reach) -> WebPush:
    return WebPush(reach, destination, private(secrets["private_key"]))


WEBPUSH = DestinationKind(
    WebPushDestination,
    _opened,
    made={"private_key": new_key},
    changes=False,
    messages=frozenset({"push"}),
    channel="push",
    reaches=reaches(KIND),
)
