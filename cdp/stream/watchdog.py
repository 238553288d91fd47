"""Ends a worker that has come to a standstill: whoever runs it starts another."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NoReturn

from cdp.errors import CdpError

STALL_SECONDS = 60.0  # a group may take half of this to settle who reads what
LOOK_SECONDS = 1.0


class Stalled(CdpError):
    """The consumer has not fetched for too long, or Faust has given up on it."""


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
