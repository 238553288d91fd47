"""Deliveries whose worker is killed again and again, and what their receiver and the ledger say."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from typing import Any, NamedTuple

import httpx
import psutil

from tests.support.platform import Platform
from tests.support.receiver import Receiver

_BATCH = 100
_TIMEOUT = 1.0  # of the destination: a dead worker's claims last so long and 15 seconds
_LAST_SECONDS = 120.0  # that everything may take once the killing is over


class Outcome(NamedTuple):
    """What was found: `ledger` has the state of each delivery, `received` how often it came."""

    ledger: dict[str, str]
    received: Counter[str]
    kills: int

    @property
    def twice(self) -> int:
        """Requests that came again under the key of an earlier one."""
        return sum(self.received.values()) - len(self.received)


async def mown(
    platform: Platform, receiver: Receiver, people: int, kills: int, dice: random.Random
) -> Outcome:
    """So many people enter a segment, one webhook hears of each; workers die meanwhile."""
    where = {"name": "B", "purpose": "analytics", "where": {"event": "Order Completed"}}
    await asyncio.to_thread(platform.put, "/segments/buyers", where)
    hook = {"kind": "webhook", "url": receiver.url, "segments": ["buyers"], "timeout": _TIMEOUT}
    await asyncio.to_thread(platform.put, "/destinations/hook", hook | {"max_attempts": 20})
    await asyncio.to_thread(platform.wait_quiet)
    receiver.delay = 0.01
    telling = asyncio.create_task(asyncio.to_thread(_tell, platform, people))
    done = 0
    while done < kills:
        await _further(receiver, people // (2 * kills))
        await asyncio.sleep(dice.uniform(0.0, 0.5))
        done += _kill(platform)
    await telling
    async with asyncio.timeout(_LAST_SECONDS + people / 100):
        while True:
            ledger = await asyncio.to_thread(_ledger, platform)
            if len(ledger) == people and set(ledger.values()) <= {"sent", "parked"}:
                break
            await asyncio.sleep(1.0)
    received = Counter(each.headers["webhook-id"] for each in receiver.requests)
    return Outcome(ledger, received, done)


async def _further(receiver: Receiver, step: int) -> None:
    """Until it is in the middle of sending again."""
    seen = len(receiver.requests)
    async with asyncio.timeout(_LAST_SECONDS):
        while len(receiver.requests) < seen + step:
            await asyncio.sleep(0.02)


def _tell(platform: Platform, people: int) -> None:
    for first in range(0, people, _BATCH):
        batch = [
            {"type": "track", "event": "Order Completed", "userId": f"u{number}"}
            | {"messageId": f"order-{number}"}
            for number in range(first, min(first + _BATCH, people))
        ]
        while True:
            try:
                if platform.send("/v1/batch", {"batch": batch}).is_success:
                    break
            except httpx.TransportError:
                pass


def _kill(platform: Platform) -> int:
    """One worker, if there is one."""
    workers = platform.processes("cdp worker")
    for worker in workers[:1]:
        try:
            worker.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return 0
    return len(workers[:1])


def _ledger(platform: Platform) -> dict[str, str]:
    found: dict[str, str] = {}
    cursor = ""
    while True:
        page: dict[str, Any] = (
            platform.call("GET", f"/deliveries?destination=hook&limit=1000{cursor}")
            .raise_for_status()
            .json()
        )
        found |= {each["id"]: each["state"] for each in page["deliveries"]}
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
