"""Decides when a message to a person goes, in one place, with the reason for every delay and drop.

A message waits for its time, then for the end of quiet hours, then for room under the caps. What
serves a purpose that takes no consent (`SERVICE`: receipts, security) only waits for its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from activation.pacing import hours
from cdp.events import Instant

SERVICE = "necessary"
DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many messages to one person in any window of this length (microseconds)."""

    limit: int
    window: int
    channel: str = ""  # empty: by all of them together
    purpose: str = ""  # empty: for all of them together
    waits: bool = False  # for room; else the message is dropped

    def counts(self, channel: str, purpose: str) -> bool:
        """Whether such a message takes room under it."""
        whole = purpose.partition(".")[0]  # of one that people allow by channel
        return self.channel in {"", channel} and self.purpose in {"", purpose, whole}

    def words(self) -> str:
        """Like `3 by email in 7 days`."""
        what = f" by {self.channel}" if self.channel else ""
        what += f" for {self.purpose}" if self.purpose else ""
        return f"{self.limit}{what} in {hours.length(self.window)}"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing is sent between these minutes of the person's day; it may span midnight."""

    begin: int
    end: int
    channels: tuple[str, ...] = ()  # empty: by any


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all messages."""

    caps: tuple[Cap, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    patience: int = 3 * DAY  # a message that could not go for so long is dropped
    zone: str = "UTC"  # of people of whom nothing tells it


class Wanted(NamedTuple):
    """A message that is to go.

    `timing` is empty (now), `HH:MM` (the next time it is that late where the person is) or `best`.
    """

    id: bytes
    at: Instant  # requested
    channel: str
    purpose: str
    priority: int = 0
    timing: str = ""


class Slot(NamedTuple):
    """A message that has gone to a person."""

    at: Instant
    channel: str
    purpose: str


class Traffic(NamedTuple):
    """What one person got, and what else is on its way to them."""

    sent: Sequence[Slot] = ()
    waiting: Sequence[Wanted] = ()


class Whom(NamedTuple):
    """What is known of the person: where they are, and their hour of the day for messages."""

    zone: str
    best_hour: int


class Go(NamedTuple):
    """It may be sent now."""


class Wait(NamedTuple):
    """It is looked at again then."""

    until: Instant
    reason: str


class Drop(NamedTuple):
    """It is never sent."""

    reason: str


Decision: TypeAlias = Go | Wait | Drop


def decide(
    wanted: Wanted,
    policy: Policy,
    whom: Whom,
    traffic: Traffic,
    now: Instant,
) -> Decision:
    """Whether it goes now.

    Room under a cap is first for what has a higher priority, then for what was requested first.
    """
    at, reason = _timed(wanted, whom, now)
    if _is_service(wanted.purpose):
        return Go() if at <= now else Wait(at, reason)
    at, reason = _after_quiet(wanted, policy, whom, at, reason)
    if at <= now:
        ahead = [each for each in traffic.waiting if _rank(each) < _rank(wanted)]
        full = _full(wanted, policy, traffic.sent, ahead, now)
        if full is None:
            return Go()
        at, reason = full.until, full.reason
        if not full.waits:
            return Drop(reason)
    if at - wanted.at > policy.patience:
        return Drop(f"{reason}; {hours.length(policy.patience)} is the longest that it may wait")
    return Wait(at, reason)


def _is_service(purpose: str) -> bool:
    return purpose.partition(".")[0] == SERVICE


def _rank(wanted: Wanted) -> tuple[int, Instant, bytes]:
    return -wanted.priority, wanted.at, wanted.id


def _timed(wanted: Wanted, whom: Whom, now: Instant) -> tuple[Instant, str]:
    if not wanted.timing:
        return now, ""
    if wanted.timing == "best":
        at = hours.next_hour(wanted.at, whom.best_hour, whom.zone)
        return max(now, at), f"until {hours.clock(whom.best_hour * 60)}, their best hour"
    minute = hours.minute_of(wanted.timing)
    return max(now, hours.next_minute(wanted.at, minute, whom.zone)), f"until {wanted.timing}"


def _after_quiet(
    wanted: Wanted, policy: Policy, whom: Whom, at: Instant, reason: str
) -> tuple[Instant, str]:
    """Several kinds of quiet hours may follow each other; all day long is never quiet."""
    mine = [each for each in policy.quiet if not each.channels or wanted.channel in each.channels]
    for each in mine * len(mine):
        end = hours.end_of_quiet(at, each.begin, each.end, whom.zone)
        if end > at:
            at, reason = end, f"quiet hours until {hours.clock(each.end)}"
    return at, reason


class _Full(NamedTuple):
    """A cap without room: when there is some, and whether it is waited for."""

    until: Instant
    reason: str
    waits: bool


def _full(
    wanted: Wanted, policy: Policy, sent: Sequence[Slot], ahead: Sequence[Wanted], now: Instant
) -> _Full | None:
    for cap in policy.caps:
        if not cap.counts(wanted.channel, wanted.purpose):
            continue
        taken = sorted(
            each.at
            for each in sent
            if cap.counts(each.channel, each.purpose) and now - cap.window < each.at
        )
        others = sum(
            cap.counts(each.channel, each.purpose)
            for each in ahead
            if not _is_service(each.purpose)
        )
        over = len(taken) + others - cap.limit
        if over >= 0:
            leaves = taken[over] if over < len(taken) else now
            told = "" if len(taken) >= cap.limit else ", which a higher priority takes"
            return _Full(leaves + cap.window, f"cap: {cap.words()}{told}", cap.waits)
    return None
