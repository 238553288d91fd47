"""When a campaign's schedule comes: times of day on walls, and the instants at which they are.

Walls are read one after the other, without changes of clocks: so a time that clocks leave out
comes once, at the change, and one that they show twice comes once, the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from apscheduler.triggers.cron import CronTrigger

from activation.pacing import hours
from cdp.events import Instant
from cdp.times import to_datetime

PERSON = "person"  # everybody's own time zone
EARLIEST = timedelta(hours=14)  # by which a wall anywhere is before that of UTC; UTC+14
LATEST = timedelta(hours=12)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(\*|[0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?(?:/([1-7]))?")


class Schedule(NamedTuple):
    """A crontab line, or one time of a day; and where the walls hang."""

    cron: str
    at: str
    zone: str


def checked(schedule: Schedule) -> None:
    """ValueError, in words for people, if it is not one."""
    if schedule.at:
        datetime.fromisoformat(schedule.at)
    else:
        _trigger(schedule.cron)


def walls(schedule: Schedule, after: Instant, until: Instant) -> Iterator[datetime]:
    """What walls show when it comes, from `after` (not included) to `until`, in order.

    With the zones of people: those that may come somewhere within that time.
    """
    low, high = _shown(schedule, after, EARLIEST), _shown(schedule, until, EARLIEST)
    found: dict[Instant, datetime] = {}  # of several that clocks leave out together the last
    for wall in _all(schedule, low - timedelta(hours=2), high + timedelta(hours=2)):
        found[begins(schedule, wall)] = wall
    yield from (wall for at, wall in found.items() if after < at <= until)


def begins(schedule: Schedule, wall: datetime) -> Instant:
    """The instant at which it comes; with the zones of people, in the earliest of all."""
    if schedule.zone == PERSON:
        return hours.shown_at(wall - EARLIEST, "UTC")
    return hours.shown_at(wall, schedule.zone)


def ends(schedule: Schedule, wall: datetime) -> Instant:
    """Likewise, in the latest."""
    if schedule.zone == PERSON:
        return hours.shown_at(wall + LATEST, "UTC")
    return hours.shown_at(wall, schedule.zone)


def of_person(schedule: Schedule, wall: datetime, zone: str) -> Instant:
    """The instant at which it comes to somebody who lives there."""
    return hours.shown_at(wall, zone if schedule.zone == PERSON else schedule.zone)


def _shown(schedule: Schedule, at: Instant, ahead: timedelta) -> datetime:
    if schedule.zone == PERSON:
        return to_datetime(at).replace(tzinfo=None) + ahead
    return to_datetime(at).astimezone(hours.place(schedule.zone)).replace(tzinfo=None)


def _all(schedule: Schedule, low: datetime, high: datetime) -> Iterator[datetime]:
    if schedule.at:
        wall = datetime.fromisoformat(schedule.at)
        if low <= wall <= high:
            yield wall
        return
    trigger, now = _trigger(schedule.cron), low.replace(tzinfo=UTC)
    while (found := trigger.get_next_fire_time(None, now)) is not None:
        wall = found.replace(tzinfo=None)
        if wall > high:
            return
        yield wall
        now = found + timedelta(seconds=1)


def _trigger(cron: str) -> CronTrigger:
    fields = cron.lower().split()
    if len(fields) != 5:
        raise ValueError("must have five fields: minute, hour, day, month, day of the week")
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        raise ValueError("must name days of the month or days of the week, not both")
    days = _weekdays(weekday)
    return CronTrigger(None, month, day, None, days, hour, minute, 0, timezone=UTC)


def _weekdays(field: str) -> str:
    """By name: to crontab Sunday is 0 and 7, to APScheduler Monday is 0."""
    found: list[str] = []
    for part in field.split(","):
        read = _PART.fullmatch(part)
        if read is None:
            raise ValueError(f"has no day of the week {part}")
        begin, end, step = read.groups()
        first = 0 if begin == "*" else _day(begin)
        last = _day(end) if end else 6 if begin == "*" or step else first
        last += 7 if last < first else 0
        found += [_DAYS[each % 7] for each in range(first, last + 1, int(step or 1))]
    return ",".join(dict.fromkeys(found))


def _day(name: str) -> int:
    if name.isdigit():
        return int(name) % 7
    if name not in _DAYS:
        raise ValueError(f"has no day of the week {name}")
    return _DAYS.index(name)
