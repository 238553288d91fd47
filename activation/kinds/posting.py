"""One request of a connector: begun while its claim holds, within its time, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx

from activation.claims import Claim
from activation.kinds.protocol import Late
from activation.model import Outcome
from activation.posters import Poster
from cdp.events import Instant
from cdp.times import SECOND

# httpcore tells these before the first byte of a request
_ABOUT_TO_SEND = ("http11.send_request_headers.started", "http2.send_request_headers.started")


class Post(NamedTuple):
    """What is sent."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float  # seconds
    method: str = "POST"


async def post(poster: Poster, told: Post, claim: Claim, now: Instant) -> Outcome:
    """What came of it; Late, and not a byte was sent, if the claim was over."""

    async def look(event: str, _: Mapping[str, Any]) -> None:
        if event in _ABOUT_TO_SEND and claim.late:
            raise Late

    try:
        async with asyncio.timeout(told.timeout):
            status, asked = await poster.ask(told.method, told.url, told.headers, told.body, look)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return Outcome(False, None, type(error).__name__)
    if 200 <= status < 300:
        return Outcome(True, status, "")
    return Outcome(False, status, f"HTTP {status}", retry_after(asked, now))


def retry_after(value: str | None, now: Instant) -> float | None:
    """Seconds that a Retry-After header asks for, in either form of RFC 9110 section 10.2.3."""
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - now / SECOND)
