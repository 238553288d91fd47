"""How long a claim on deliveries lasts: a worker that stood still meanwhile must not send.

The ledger says until when, by everybody's clock. The worker goes by its own machine's, which nobody
sets, and stops early enough that a request it has begun is over when the ledger's time is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from cdp.events import Instant
from cdp.times import SECOND

BEGIN_SECONDS = 10.0  # from the claim to the beginning of a request, at most
SLACK_SECONDS = 5.0  # what clocks may differ by, and what it takes to note what came of it

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while a machine sleeps


class Claim(NamedTuple):
    """When deliveries were claimed: for the ledger, and by this machine's clock, read before it."""

    at: Instant
    begun: float

    def lease(self, timeout: float) -> Instant:
        """When somebody else may send, if a request may take so many seconds."""
        return self.at + round((BEGIN_SECONDS + timeout + SLACK_SECONDS) * SECOND)

    @property
    def late(self) -> bool:
        """Whether it is too late to begin a request."""
        return clock() - self.begun > BEGIN_SECONDS


def begin(now: Callable[[], Instant]) -> Claim:
    """A claim that begins now; the machine's clock is read first, so it is over first too."""
    begun = clock()
    return Claim(now(), begun)


def clock() -> float:
    """Seconds of this machine."""
    return time.clock_gettime(_CLOCK)
