"""Ends a worker or a relay that has come to a standstill: whoever runs it starts another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from cdp.errors import CdpError, StoreUnavailable

STALL_SECONDS = 60.0  # a group may take half of this to settle who reads what
STORE_SECONDS = 15.0
LOOK_SECONDS = 1.0


class Stalled(CdpError):
    """Nothing has moved for too long though there is something, or Faust has given up."""


class CutOff(CdpError):
    """The store does not answer this process, though the others may well reach it."""


class Progress:
    """Tells how long something has stood still; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: object = None
        self._moved = clock()

    def silent(self, done: object, *, left: bool) -> float:
        """Seconds since `done` was another, or nothing was left to do."""
        if done != self._done or not left:
            self._done, self._moved = done, self._clock()
        return self._clock() - self._moved


async def watch_store(
    must_answer: Callable[[float], Awaitable[None]],
    patience: float = STORE_SECONDS,
    every: float = LOOK_SECONDS,
) -> NoReturn:
    """Raises CutOff when the store has not answered for so many seconds.

    In a group that somebody else keeps, this worker's partitions would wait with it.
    """
    answered = time.monotonic()
    while True:
        await asyncio.sleep(every)
        try:
            await must_answer(every)
        except StoreUnavailable as error:
            silent = time.monotonic() - answered
            if silent > patience:
                raise CutOff(f"the store has not answered for {silent:.0f} s") from error
        else:
            answered = time.monotonic()


async def watch(app: Any, patience: float, every: float = LOOK_SECONDS) -> NoReturn:
    """Raises Stalled when the app's consumer shows no sign of life, or our own error it died of."""
    while True:
        await asyncio.sleep(every)
        if app.crashed:
            reason = app.crash_reason
            if isinstance(reason, CdpError):
                raise reason
            raise Stalled(f"Faust has given up: {type(reason).__name__}") from reason
        silent = time.monotonic() - app.consumer.seen_alive
        if silent > patience:
            raise Stalled(f"the consumer has fetched nothing for {silent:.0f} s")
