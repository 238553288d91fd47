"""One request of a connector: begun while its claim holds, within its time, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

from activation.claims import Claim
from activation.kinds.protocol import Late
from activation.kinds.webhook import retry_after
from activation.model import Outcome
from cdp.events import Instant

# httpcore tells these before the first byte of a request
_ABOUT_TO_SEND = ("http11.send_request_headers.started", "http2.send_request_headers.started")


class Post(NamedTuple):
    """What is sent."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float  # seconds
    method: str = "POST"


async def post(client: httpx.AsyncClient, told: Post, claim: Claim, now: Instant) -> Outcome:
    """What came of it; Late, and not a byte was sent, if the claim was over."""

    async def look(event: str, _: Mapping[str, Any]) -> None:
        if event in _ABOUT_TO_SEND and claim.late:
            raise Late

    extensions = {"trace": look}
    try:
        async with (
            asyncio.timeout(told.timeout),
            client.stream(
                told.method,
                told.url,
                content=told.body,
                headers=dict(told.headers),
                extensions=extensions,
            ) as response,
        ):
            status, asked = response.status_code, response.headers.get("retry-after")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return Outcome(False, None, type(error).__name__)
    if 200 <= status < 300:
        return Outcome(True, status, "")
    return Outcome(False, status, f"HTTP {status}", retry_after(asked, now))
