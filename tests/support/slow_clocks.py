"""Times of day found by walking minute by minute, to compare with."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = 1_000_000
MINUTE = 60 * SECOND
UNITS = {"s": SECOND, "m": MINUTE, "h": 60 * MINUTE, "d": 1440 * MINUTE, "w": 10_080 * MINUTE}


def long(text: str) -> int:
    """Microseconds of `2d`."""
    return int(text[:-1]) * UNITS[text[-1]]


def minute_there(at: int, zone: str) -> int:
    """What a clock there shows, in minutes from midnight."""
    shown = datetime.fromtimestamp(at // SECOND, UTC).astimezone(ZoneInfo(zone))
    return shown.hour * 60 + shown.minute


def minute_of(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@lru_cache(maxsize=10_000)
def first_time(at: int, text: str, zone: str) -> int:
    """When a clock there shows it next, or passes over it."""
    wanted = minute_of(text)
    if at % MINUTE == 0 and minute_there(at, zone) == wanted:
        return at
    before = minute_there(at, zone)
    for later in range(at - at % MINUTE + MINUTE, at + 4 * UNITS["d"], MINUTE):
        shown = minute_there(later, zone)
        if shown == wanted or before < wanted < shown or (shown < before - 720 and wanted < shown):
            return later
        before = max(before, shown) if shown > before - 720 else shown  # clocks are put back
    raise AssertionError("no such time in four days")
