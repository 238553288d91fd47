"""Instants as SDKs write them, from 1970 to 9999, and durations as people do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp import times

LAST = times.parse("9999-12-31T23:59:59.999999Z")
DAY = 86_400 * times.SECOND


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-22T10:00:00.123456Z", "2026-11-22T10:00:00.123456Z"),
        ("2026-11-22T10:00:00.123Z", "2026-11-22T10:00:00.123000Z"),
        (" 2026-11-22T10:00:00Z ", "2026-11-22T10:00:00.000000Z"),
        ("2026-11-22T10:00:00", "2026-11-22T10:00:00.000000Z"),
        ("2026-11-22 12:00:00+02:00", "2026-11-22T10:00:00.000000Z"),
        ("2026-11-22T10:00:00.1234567890Z", "2026-11-22T10:00:00.123456Z"),
        ("2026-11-22", "2026-11-22T00:00:00.000000Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_700_000_000, "2023-11-14T22:13:20.000000Z"),
        (1_700_000_000.5, "2023-11-14T22:13:20.500000Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999000Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
        ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_what_is_a_time(written: object, expected: str) -> None:
    assert times.iso(times.parse(written)) == expected


@pytest.mark.parametrize(
    "written",
    [
        *("", "tomorrow", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-13-01", "\ud800"),
        *("1969-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "1970-01-01T00:00:00+00:01"),
        *(-1, -1e15, 253_402_300_800_000, 1 << 70, 10**400, float("nan"), float("inf"), -0.001),
        *(None, True, False, [], {}, b"2026"),
    ],
)
def test_what_is_no_time(written: object) -> None:
    with pytest.raises(ValueError, match=r"^(is|must|lies)"):
        times.parse(written)


@given(st.integers(0, LAST))
def test_text_and_instant_are_the_same(instant: int) -> None:
    assert times.parse(times.iso(instant)) == instant
    assert times.from_datetime(times.to_datetime(instant)) == instant


@pytest.mark.parametrize(
    ("instant", "nearest"), [(-5, 0), (0, 0), (LAST, LAST), (LAST + 1, LAST), (1 << 80, LAST)]
)
def test_an_instant_is_brought_within_bounds(instant: int, nearest: int) -> None:
    assert times.bounded(instant) == nearest


def test_a_datetime_without_a_zone_is_utc() -> None:
    naive = datetime(2026, 1, 1)
    assert times.from_datetime(naive) == times.from_datetime(naive.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("written", "length"),
    [("30s", 30 * times.SECOND), ("48h", 2 * DAY), ("7d", 7 * DAY), ("2w", 14 * DAY), ("0d", 0)],
)
def test_durations(written: str, length: int) -> None:
    assert times.parse_duration(written) == length


@pytest.mark.parametrize("written", ["", "7", "d", "-1d", "1.5h", "7 d", "7y", "9999999999s"])
def test_what_is_no_duration(written: str) -> None:
    with pytest.raises(ValueError, match="whole number and a unit"):
        times.parse_duration(written)
