"""When each person's webhook came, by their user id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

from tests.support.receiver import Request


class Arrivals(list[Request]):
    """In place of a receiver's list of requests; keeps nothing but the times."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[str, float] = {}

    def append(self, request: Request) -> None:
        """By the clock of `time.perf_counter`."""
        now = time.perf_counter()
        for name in request.json["data"]["identifiers"].get("user_id", []):
            self.at.setdefault(name, now)

    async def until(self, names: Collection[str], seconds: float) -> None:
        """Until all of these have come."""
        left = set(names)
        async with asyncio.timeout(seconds):
            while left := left - self.at.keys():  # noqa: ASYNC110 - what comes is somebody else's
                await asyncio.sleep(0.05)


def percentile(taken: Sequence[float], share: float) -> float:
    """Of numbers in order."""
    return taken[min(len(taken) - 1, int(share * len(taken)))]
