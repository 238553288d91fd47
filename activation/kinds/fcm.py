"""Push messages to apps over Firebase Cloud Messaging (HTTP v1), as a service account."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from marshmallow import ValidationError, fields, validate

from activation.claims import Claim
from activation.kinds.posting import Post, post
from activation.kinds.protocol import DestinationKind, Message, Reach
from activation.kinds.pushing import Apps, reaches, texts
from activation.model import Destination, Outcome
from activation.push.sealing import unpadded
from activation.schema import URL, DestinationForm, kind_field
from cdp.events import Instant
from cdp.forms import WholeNumber
from cdp.times import SECOND

KIND = "fcm"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_HOUR, _SLACK = 3600, 300  # seconds that a token is good for, and how early it is renewed
_FOR_GOOD = frozenset({400, 403, 404, 413})


class Account(msgspec.Struct, frozen=True):
    """What of a service account's key file is needed."""

    project_id: str
    client_email: str
    private_key: str
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

    def key(self) -> rsa.RSAPrivateKey:
        """The key itself; ValueError if it is none."""
        found = serialization.load_pem_private_key(self.private_key.encode(), None)
        if not isinstance(found, rsa.RSAPrivateKey):
            raise ValueError("not an RSA key")
        return found


def _account(text: str) -> None:
    try:
        account = msgspec.json.decode(text, type=Account)
        account.key()
        httpx.URL(account.token_uri)
    except (ValueError, TypeError, httpx.InvalidURL):
        raise ValidationError("Must be the key file of a service account, as text.") from None


class FcmDestination(DestinationForm):
    """Apps that registered a token of Firebase."""

    kind = kind_field(KIND)
    service_account = fields.String(
        required=True,
        load_only=True,
        validate=[validate.Length(max=10_000), _account],
        metadata={"description": "the JSON of a service account's key file, as text"},
    )
    ttl = WholeNumber(
        load_default=86_400,
        validate=validate.Range(0, 2_419_200),
        metadata={"description": "seconds that a message is kept for a device"},
    )
    url = fields.String(
        load_default="https://fcm.googleapis.com",
        validate=[validate.Length(max=2000), URL],
        metadata={"description": "where Firebase is reached"},
    )


@dataclass(slots=True)
class Fcm(Apps):
    """Sends as one service account; its token is renewed before it ends."""

    account: Account
    kind = KIND
    _token: tuple[str, float] = ("", 0.0)
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _push(
        self, device: Mapping[str, Any], message: Message, claim: Claim, now: Instant
    ) -> Outcome:
        token, refused = await self._bearer(now)
        if refused is not None:
            return refused
        settings = self.destination.settings
        body = {"message": _said(str(device.get("token", "")), message, settings["ttl"])}
        headers = {
            **message.headers,
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
        }
        path = f"/v1/projects/{quote(self.account.project_id, safe='')}/messages:send"
        told = Post(
            settings["url"].rstrip("/") + path,
            msgspec.json.encode(body),
            headers,
            self.destination.timeout,
        )
        outcome = await post(self.reach.poster, told, claim, now)
        if outcome.status == httpx.codes.UNAUTHORIZED:
            self._token = ("", 0.0)  # and once more with another
        return outcome._replace(final=outcome.status in _FOR_GOOD)

    async def _bearer(self, now: Instant) -> tuple[str, Outcome | None]:
        """An access token (RFC 7523), or why there is none."""
        async with self._renewing:
            seconds = now / SECOND
            if self._token[1] > seconds:
                return self._token[0], None
            assertion = _assertion(self.account, int(seconds))
            form = {"grant_type": _GRANT, "assertion": assertion}
            try:
                answer = await self.reach.client.post(
                    self.account.token_uri, data=form, timeout=self.destination.timeout
                )
                if answer.is_success:
                    told = answer.json()
                    until = seconds + float(told.get("expires_in", _HOUR)) - _SLACK
                    self._token = str(told["access_token"]), until
                    return self._token[0], None
            except httpx.HTTPError as error:
                return "", Outcome(False, None, f"no access token: {type(error).__name__}")
            except (ValueError, KeyError, TypeError, AttributeError):
                return "", Outcome(False, None, "no access token in the answer")
            return "", Outcome(False, answer.status_code, f"no access: HTTP {answer.status_code}")


def _said(token: str, message: Message, ttl: int) -> dict[str, Any]:
    """The message as Firebase takes it."""
    content = message.content
    shown = {"title": content.get("title", ""), "body": content.get("body", "")}
    tag = message.delivery.id.hex()  # one that comes again takes the place of the first
    return {
        "token": token,
        "notification": shown,
        "data": texts(message),
        "android": {"ttl": f"{ttl}s", "notification": {"tag": tag}},
        "apns": {"headers": {"apns-collapse-id": tag}},
    }


def _assertion(account: Account, now: int) -> str:
    claims = {
        "iss": account.client_email,
        "scope": _SCOPE,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + _HOUR,
    }
    head = {"typ": "JWT", "alg": "RS256"}
    parts = ".".join(unpadded(msgspec.json.encode(each)) for each in (head, claims))
    signature = account.key().sign(parts.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{parts}.{unpadded(signature)}"


def _opened(destination: Destination, secrets: Mapping[str, str], reach: Reach) -> Fcm:
    return Fcm(reach, destination, msgspec.json.decode(secrets["service_account"], type=Account))


FCM = DestinationKind(
    FcmDestination,
    _opened,
    made={},
    changes=False,
    messages=frozenset({"push"}),
    channel="push",
    reaches=reaches(KIND),
)
