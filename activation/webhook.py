"""The webhook connector: signed as Standard Webhooks says (standardwebhooks.com, 1.0.0)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from activation.claims import Claim
from activation.model import Delivery, Destination, Outcome, body
from cdp.events import Instant
from cdp.times import SECOND

_ABOUT_TO_SEND = "http11.send_request_headers.started"  # httpcore tells it before the first byte


class Late(Exception):
    """The claim on a delivery was over before its request began."""


def signature(secret: str, message_id: str, timestamp: int, payload: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.payload`; `secret` is `whsec_…`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + payload
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts deliveries to one destination."""

    client: httpx.AsyncClient
    destination: Destination
    secret: str

    async def send(
        self,
        delivery: Delivery,
        view: Mapping[str, Any],
        claim: Claim,
        now: Instant,
        more: Mapping[str, str],
    ) -> Outcome:
        """One try. `webhook-id` is the delivery's id: a receiver that has seen it can ignore it.

        `more` are headers that say nothing of the delivery. Late, and not a byte of it is sent, if
        the claim is over when there is a connection to send it on.
        """

        async def look(event: str, _: Mapping[str, Any]) -> None:
            if event == _ABOUT_TO_SEND and claim.late:
                raise Late

        payload = msgspec.json.encode(body(delivery, view))
        message_id = str(uuid.UUID(bytes=delivery.id))
        timestamp = now // SECOND
        headers = {
            **more,
            "content-type": "application/json",
            "user-agent": "cdp",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self.secret, message_id, timestamp, payload),
        }
        url, timeout = self.destination.url, self.destination.timeout
        try:
            async with (
                asyncio.timeout(timeout),
                self.client.stream(
                    "POST", url, content=payload, headers=headers, extensions={"trace": look}
                ) as response,
            ):
                status, asked = response.status_code, response.headers.get("retry-after")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Outcome(False, None, type(error).__name__)
        if 200 <= status < 300:
            return Outcome(True, status, "")
        return Outcome(False, status, f"HTTP {status}", _retry_after(asked, now))


def _retry_after(value: str | None, now: Instant) -> float | None:
    """Seconds, from either form that RFC 9110 section 10.2.3 allows."""
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - now / SECOND)
