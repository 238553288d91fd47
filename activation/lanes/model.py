"""When a destination is left alone, for how long, and whether its lane has room for one more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from cdp.events import Instant
from cdp.times import SECOND

State: TypeAlias = Literal["open", "closing"]
OPEN, BUSY = "circuit open", "busy"  # reasons in the ledger

THRESHOLD = 10  # tries in a row, of one worker, that came to nothing
FIRST_SECONDS, LONGEST_SECONDS = 10.0, 300.0  # that a destination is left alone
HELD_SECONDS = 3600.0  # what is held comes back by itself at the latest
SLOW_SECONDS = 0.1  # nobody stands and waits for a lane that takes longer
QUEUE_SECONDS = 1.0  # that a delivery may expect to wait for its turn
MOST = 128  # deliveries of one lane that are claimed at a time, its concurrency aside
_SOONEST, _LATEST = 0.25, 30.0  # seconds that what finds no room is put off
_GUESS = 0.05  # seconds that a destination takes, before it was ever tried
_WEIGHT = 0.2  # of the newest in the mean


class Circuit(NamedTuple):
    """A destination that does not answer: nobody tries before `until`, and then one does.

    `closing` if it answers again, and what was held is on its way.
    """

    destination: str
    state: State
    probes: int  # that came to nothing since it was opened
    until: Instant
    since: Instant
    reason: str  # of the last try


class Later(NamedTuple):
    """A delivery that does not go now."""

    until: Instant
    reason: str


def rest_seconds(probes: int) -> float:
    """How long a destination is left alone after so many probes: doubling, up to five minutes."""
    return min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(probes, 10))


@dataclass(slots=True)
class Lane:
    """How one destination does, as one worker sees it. Times are seconds of that worker's clock."""

    concurrency: int
    admitted: int = 0  # claimed: under way, or waiting for their turn
    mean: float = _GUESS  # seconds that a try takes
    failures: int = 0  # in a row
    open: bool = False
    probe: bytes = b""  # the delivery that tries whether it answers again
    begun: dict[bytes, float] = field(default_factory=dict)  # under way, oldest first
    later: float = 0.0  # until when the lane is spoken for by what was put off

    def typical(self, now: float) -> float:
        """Seconds that a try takes: by the past, or by one that is under way for longer."""
        oldest = next(iter(self.begun.values()), now)
        return max(self.mean, now - oldest)

    def slow(self, now: float) -> bool:
        """Whether it takes longer than anybody else should wait."""
        return self.typical(now) > SLOW_SECONDS

    def room(self, ahead: int, now: float) -> bool:
        """Whether one more may be claimed, with so many others ahead that are not counted yet."""
        taken = self.admitted + ahead
        if taken < self.concurrency:
            return True
        return taken < MOST and taken * self._pace(now) <= QUEUE_SECONDS

    def put_off(self, ahead: int, now: float) -> float:
        """In how many seconds there may be room for one that finds none now; each later."""
        pace = self._pace(now)
        soon = now + max(_SOONEST, (self.admitted + ahead) * pace)
        self.later = min(max(self.later + pace, soon), now + _LATEST)
        return self.later - now

    def begin(self, delivery: bytes, now: float) -> None:
        """A try is under way."""
        self.begun[delivery] = now

    def end(self, delivery: bytes, now: float, *, answered: bool) -> None:
        """It is over."""
        taken = now - self.begun.pop(delivery, now)
        self.mean += _WEIGHT * (taken - self.mean)
        self.failures = 0 if answered else self.failures + 1

    def _pace(self, now: float) -> float:
        return self.typical(now) / self.concurrency


def is_due(circuit: Circuit, now: Instant) -> bool:
    """Whether somebody should try it again."""
    return circuit.state == "open" and circuit.until <= now


def held(circuit: Circuit, now: Instant, *, first: bool) -> Later:
    """Until when a delivery is held: the first of several is there for the next probe."""
    if first:
        return Later(max(circuit.until, now + SECOND), OPEN)
    return Later(now + round(HELD_SECONDS * SECOND), OPEN)
