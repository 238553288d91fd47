"""Spans of time that events are counted in, and when that changes by time alone.

A sliding span of length w has an event from its instant t up to, and not including, t + w. One of
the calendar begins and ends at midnight where the person lives.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from heapq import merge
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from cdp.events import Instant
from cdp.times import from_datetime, to_datetime

HOUR = 3600 * 1_000_000  # microseconds
DAY = 24 * HOUR
_THURSDAY = 72  # the hour of the week that 1970 began in
_LONGEST = {"day": DAY, "week": 7 * DAY, "month": 31 * DAY, "quarter": 92 * DAY, "year": 366 * DAY}


class Sliding(NamedTuple):
    """The last so many microseconds."""

    length: int


class Calendar(NamedTuple):
    """The day, week, month, quarter or year that is now, or the one before; weeks from Monday."""

    unit: str
    last: bool


Span: TypeAlias = Sliding | Calendar
_NAMED = {"today": Calendar("day", False), "yesterday": Calendar("day", True)} | {
    f"{which} {unit}": Calendar(unit, which == "last")
    for unit in ("week", "month", "quarter", "year")
    for which in ("this", "last")
}
CALENDAR = tuple(_NAMED)


def calendar(written: str) -> Calendar:
    """`today`, `last week`, `this year`: what CALENDAR lists."""
    return _NAMED[written]


def reach(span: Span | None) -> int:
    """Microseconds before now that a span may begin at the earliest; 0: it may any time."""
    match span:
        case None:
            return 0
        case Sliding(length):
            return length
    return _LONGEST[span.unit] * (2 if span.last else 1) + DAY


def inside(
    span: Span | None, instants: Sequence[Instant], now: Instant, zone: str
) -> tuple[int, int]:
    """Which instants, given in order, lie in the span: from the first number up to the second."""
    match span:
        case None:
            return 0, bisect_right(instants, now)
        case Sliding(length):
            return bisect_right(instants, now - length), bisect_right(instants, now)
    begin, end = _bounds(span, now, zone)
    return bisect_right(instants, begin - 1), bisect_right(instants, min(end - 1, now))


def turns(
    span: Span | None, instants: Sequence[Instant], now: Instant, zone: str
) -> Iterator[Instant]:
    """When, after now and in order, what lies in the span may change by time alone.

    An instant that is not over by this clock yet was received by another's: it counts from then on.
    """
    if not instants:
        return iter(())
    ahead = instants[bisect_right(instants, now) :]
    match span:
        case None:
            return iter(ahead)
        case Sliding(length):
            leaving = (at + length for at in instants[bisect_right(instants, now - length) :])
            return merge(ahead, leaving) if ahead else leaving
    begun = _first_of(span.unit, _local(now, zone))
    ends = []
    for _ in range(3 if ahead else 2):
        begun = _next(span.unit, begun)
        ends.append(_midnight(begun, zone))
    return merge(ahead, (each for each in ends if each > now))


def local_day(at: Instant, zone: str) -> int:
    """The number of the day that it is where the person lives; in each place from another on."""
    return _local(at, zone).toordinal() if zone else at // DAY


def utc_hour(at: Instant) -> int:
    """The hour of the week in UTC; 0 is Monday's first."""
    return (at // HOUR + _THURSDAY) % 168


def by_local_hour(hours: Mapping[int, int], zone: str, at: Instant) -> dict[int, int]:
    """Counts by hours of the week in UTC as counts by hours of the day there, 0 to 23, in order.

    `at` tells which of the zone's offsets counts; of one that is no whole hour, what is before it.
    """
    offset = to_datetime(at).astimezone(_zone(zone)).utcoffset() or timedelta()
    shift = offset // timedelta(hours=1)
    found: Counter[int] = Counter()
    for hour, times in hours.items():
        found[(hour + shift) % 24] += times
    return dict(sorted(found.items()))


def is_zone(name: object) -> bool:
    """Whether this names a time zone."""
    return isinstance(name, str) and bool(name) and _zone(name) is not UTC


def _bounds(span: Calendar, now: Instant, zone: str) -> tuple[Instant, Instant]:
    begin = _first_of(span.unit, _local(now, zone))
    if span.last:
        begin, end = _first_of(span.unit, begin - timedelta(1)), begin
    else:
        end = _next(span.unit, begin)
    return _midnight(begin, zone), _midnight(end, zone)


_FIRST: dict[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(day.weekday()),
    "month": operator.methodcaller("replace", day=1),
    "quarter": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    "year": operator.methodcaller("replace", month=1, day=1),
}


def _first_of(unit: str, day: date) -> date:
    return _FIRST[unit](day)


def _next(unit: str, begun: date) -> date:
    """The first day of the next: some day of it is never farther than its longest and no more."""
    beyond = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}[unit]
    return _first_of(unit, begun + timedelta(beyond))


@lru_cache(1000)
def _zone(name: str) -> tzinfo:
    """UTC where the name is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return UTC


def _local(at: Instant, zone: str) -> date:
    return to_datetime(at).astimezone(_zone(zone)).date()


@lru_cache(10_000)
def _midnight(day: date, zone: str) -> Instant:
    """When a day begins there; where that hour is left out, when the clock was put forward."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=_zone(zone)))
