"""Times of day where a person is: when it is next so late, when quiet hours end, their best hour.

A time of day that a change of clocks leaves out is the instant at which the clocks are put forward;
one that comes twice is the first of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cdp.events import Instant
from cdp.times import from_datetime, to_datetime

WEIGHT = 24.0  # of a prior, in events: an hour's worth of evidence for each hour of the day
_UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def minute_of(clock: str) -> int:
    """Minutes from midnight of `HH:MM`."""
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def clock(minute: int) -> str:
    """`HH:MM`."""
    return f"{minute // 60:02}:{minute % 60:02}"


def length(micros: int) -> str:
    """Like `7 days`, in the largest unit of which it is a whole number."""
    seconds = micros // 1_000_000
    name, unit = next(each for each in _UNITS if seconds % each[1] == 0)
    many = seconds // unit
    return f"{many} {name}{'' if many == 1 else 's'}"


def next_minute(at: Instant, minute: int, zone: str) -> Instant:
    """The first instant from then on at which it is that minute of the day there, or past it."""
    where = place(zone)
    day = to_datetime(at).astimezone(where).date()
    for days in range(3):
        found = _instant(datetime.combine(day + timedelta(days), _time(minute)), where)
        if found >= at:
            return found
    return at  # no day has gone without that time for three days in a row


def next_hour(at: Instant, hour: int, zone: str) -> Instant:
    """Likewise, of an hour of the day; then, if it is that hour."""
    if to_datetime(at).astimezone(place(zone)).hour == hour:
        return at
    return next_minute(at, hour * 60, zone)


def end_of_quiet(at: Instant, begin: int, end: int, zone: str) -> Instant:
    """When quiet hours that hold then are over; that instant itself if none do."""
    local = to_datetime(at).astimezone(place(zone))
    minute = local.hour * 60 + local.minute
    quiet = begin <= minute < end if begin < end else minute >= begin or minute < end
    return next_minute(at, end, zone) if quiet and begin != end else at


def best_hour(
    mine: Mapping[int, int], cohort: Mapping[int, int], everybody: Mapping[int, int]
) -> int:
    """The hour of the day, 0 to 23, in which this person is most likely to be there.

    Counts by hour are shrunk towards what is known of more people: with n(h) events of N in hour h
    and m = WEIGHT, the share of an hour is (n(h) + m p(h)) / (N + m), where p is the share among
    the cohort, that among everybody is the cohort's p, and everybody's p is 1/24. So somebody new
    has their cohort's hour, and somebody well known their own. The earliest of equals.
    """
    shares = dict.fromkeys(range(24), 1 / 24)
    for counts in (everybody, cohort, mine):
        total = sum(counts.values())
        shares = {
            hour: (counts.get(hour, 0) + WEIGHT * share) / (total + WEIGHT)
            for hour, share in shares.items()
        }
    return max(shares, key=lambda hour: (round(shares[hour], 12), -hour))


def _time(minute: int) -> time:
    return time(minute // 60 % 24, minute % 60)


def shown_at(wall: datetime, zone: str) -> Instant:
    """The instant at which clocks there show that, the first if there are two."""
    return _instant(wall, place(zone))


def _instant(wall: datetime, place: tzinfo) -> Instant:
    """The instant at which a clock there shows that."""
    found = wall.replace(tzinfo=place)
    back = found.astimezone(UTC).astimezone(place)
    if back.replace(tzinfo=None) == wall:
        return from_datetime(found)
    # Left out: by the offset before the change it lies after it, by as much as it is past it.
    before, after = (found.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    late = from_datetime(found)
    return _change(late - (after - before) // timedelta(microseconds=1), late, place)


def _change(low: Instant, high: Instant, place: tzinfo) -> Instant:
    """The instant between these at which the offset there changes."""
    was = to_datetime(low).astimezone(place).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if to_datetime(middle).astimezone(place).utcoffset() == was:
            low = middle
        else:
            high = middle
    return high


def place(zone: str) -> tzinfo:
    """A time zone by its name; UTC if there is none."""
    try:
        return ZoneInfo(zone) if zone else UTC
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return UTC


def is_place(zone: str) -> bool:
    """Whether there is a time zone of that name."""
    return bool(zone) and (zone == "UTC" or place(zone) is not UTC)
