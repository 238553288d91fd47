"""Instants are whole microseconds since 1970 in UTC; this is where they meet text and clocks."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_END = 253_402_300_800 * SECOND  # the first instant of the year 10000
_MILLISECONDS_FROM = 100_000_000_000  # a number this large cannot be seconds: that is year 5138


_ahead = 0


def now() -> int:
    """The platform's wall clock, in microseconds since 1970: this host's, put right."""
    return time.time_ns() // 1000 - _ahead


def ahead() -> int:
    """By how much this host's clock is known to be ahead of the platform's, in microseconds."""
    return _ahead


def set_ahead(difference: int) -> None:
    """Note the difference; `cdp.clock` finds it out."""
    global _ahead  # noqa: PLW0603 - there is one clock in a process
    _ahead = difference


def from_datetime(value: datetime) -> int:
    """Microseconds since 1970; a datetime without a zone is taken as UTC."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    delta = value - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def to_datetime(instant: int) -> datetime:
    """The same instant as an aware datetime."""
    return _EPOCH + timedelta(microseconds=instant)


def iso(instant: int) -> str:
    """`2026-11-22T10:00:00.123456Z`."""
    return to_datetime(instant).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(value: object) -> int:
    """Read an instant as SDKs send it: ISO 8601 text, or seconds or milliseconds since 1970.

    Raises ValueError, with the reason, for anything else and outside the years 1970 to 9999.
    """
    instant = moment(value)
    if instant < 0:
        raise ValueError("lies before 1970")
    return bounded(instant)


def moment(value: object) -> int:
    """Likewise, also before 1970, as birthdays are; then it is negative."""
    if isinstance(value, str):
        try:
            return from_datetime(datetime.fromisoformat(value.strip()))
        except (ValueError, OverflowError):
            msg = "is not an ISO 8601 date and time like 2026-11-22T10:00:00.000Z"
            raise ValueError(msg) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        unit = SECOND // 1000 if abs(value) >= _MILLISECONDS_FROM else SECOND
        if not abs(value) < _END // unit:  # also false for NaN
            raise ValueError("is a number outside the years 1970 to 9999")
        return round(value * unit)
    raise ValueError("must be an ISO 8601 date and time")


def bounded(instant: int) -> int:
    """The nearest instant of the years 1970 to 9999: all that a datetime and a store can tell."""
    return max(0, min(instant, _END - 1))


def parse_duration(value: str) -> int:
    """Microseconds in `30s`, `15m`, `48h`, `7d` or `2w`; ValueError for anything else."""
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError("must be a whole number and a unit: 30s, 15m, 48h, 7d or 2w")
    return int(match[1]) * _UNITS[match[2]] * SECOND
