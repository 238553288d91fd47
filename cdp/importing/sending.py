"""Posts batches to a collector, again and again if need be, until they are stored."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx
import msgspec

from cdp.errors import ConfigurationError, StoreUnavailable

FIRST_WAIT = 0.25  # seconds; doubles with every try
LONGEST_WAIT = 15.0
PATIENCE = 300.0  # seconds without any answer that helps
_AGAIN = {408, 410, 429, 460}  # and all of 5xx


class Refusal(NamedTuple):
    """A message that the collector did not take: its number in the batch, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sender:
    """Speaks to `/v1/batch` for one source."""

    client: httpx.AsyncClient
    url: str
    key: str
    told: Callable[[str], None]  # hears of what is waited for
    patience: float = PATIENCE
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def send(self, body: bytes) -> list[Refusal]:
        """Return once everything is stored that can be.

        StoreUnavailable when patience ends, ConfigurationError when asking again is no use.
        """
        headers = {"content-type": "application/json", "x-strict-mode": "1"}
        started, attempt = time.monotonic(), 0
        while True:
            asked = None
            try:
                answer = await self.client.post(
                    f"{self.url}/v1/batch", content=body, headers=headers, auth=(self.key, "")
                )
            except httpx.TransportError as error:
                problem = f"{type(error).__name__} at {self.url}"
            else:
                if answer.status_code not in _AGAIN and answer.status_code < 500:
                    return _understood(answer)
                problem = f"{self.url} answers {answer.status_code}"
                asked = retry_after(answer.headers.get("retry-after"), time.time())
            pause = wait_seconds(attempt, asked, random.random())  # noqa: S311 - jitter
            if time.monotonic() - started + pause > self.patience:
                raise StoreUnavailable(
                    f"{problem}, for {self.patience:.0f} s now; the same command goes on from here"
                )
            self.told(f"{problem}; again in {pause:.1f} s")
            await self.sleep(pause)
            attempt += 1


def wait_seconds(attempt: int, asked: float | None, chance: float) -> float:
    """Exponential back-off with jitter over its upper half; what Retry-After asks for is the least.

    `chance` is uniform in [0, 1).
    """
    ceiling: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 20))
    return max(asked or 0.0, ceiling * (0.5 + chance / 2))


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds, from either form that RFC 9110 section 10.2.3 allows."""
    if not value:
        return None
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def _understood(answer: httpx.Response) -> list[Refusal]:
    if answer.is_success:
        return []
    said = _read(answer.content)
    results = said.get("results")
    if answer.status_code == 400 and isinstance(results, list):
        return [
            Refusal(number, each["reason"])
            for number, each in enumerate(results)
            if each.get("status") == "refused"
        ]
    if answer.status_code in {401, 403}:
        raise ConfigurationError(
            f"{answer.url.netloc.decode()} does not take this write key; "
            "see `cdp keys show`, or give another with --write-key"
        )
    told = said.get("detail") or said.get("message") or answer.reason_phrase
    raise ConfigurationError(f"the collector answers {answer.status_code}: {told}")


def _read(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError):
        return {}
