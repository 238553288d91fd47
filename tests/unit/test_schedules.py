"""Schedules: each time on a wall once, whatever clocks do in that night, in fourteen zones."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activation.campaigns import schedules
from activation.campaigns.schedules import PERSON, Schedule
from cdp.times import from_datetime, to_datetime
from tests.support.campaign_samples import STARTS, ZONES
from tests.support.slow_clocks import MINUTE, UNITS, first_time

HOUR = UNITS["h"]


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def instants(schedule: Schedule, low: int, high: int) -> list[int]:
    return [schedules.begins(schedule, each) for each in schedules.walls(schedule, low, high)]


@given(
    st.sampled_from(ZONES),
    st.integers(0, 23),
    st.sampled_from([0, 15, 30, 45]),
    st.sampled_from(STARTS),
    st.integers(0, 3 * 1440),
)
def test_a_time_of_every_day_comes_once_a_day_when_clocks_first_show_it(
    zone: str, hour: int, minute: int, start: int, late: int
) -> None:
    schedule = Schedule(f"{minute} {hour} * * *", "", zone)
    low = start + late * MINUTE
    found = instants(schedule, low, low + 4 * UNITS["d"])
    days = [to_datetime(each).astimezone(ZoneInfo(zone)).date() for each in found]
    assert days == [days[0] + timedelta(number) for number in range(len(days))]
    assert len(days) in {3, 4, 5}
    for each in found:
        midnight = datetime.combine(
            to_datetime(each).astimezone(ZoneInfo(zone)).date(), datetime.min.time(), ZoneInfo(zone)
        )
        assert each == first_time(from_datetime(midnight), f"{hour:02}:{minute:02}", zone)


@given(
    st.sampled_from([*ZONES, PERSON]),
    st.sampled_from(["0 9 * * *", "*/15 * * * *", "0 * * * *", "30 2 * * 0", "0 0 1 * *"]),
    st.sampled_from(STARTS),
    st.lists(st.integers(0, 3 * 1440), max_size=6),
)
def test_however_often_is_looked_each_comes_once(
    zone: str, cron: str, start: int, looks: list[int]
) -> None:
    schedule = Schedule(cron, "", zone)
    at_once = instants(schedule, start, start + 3 * UNITS["d"])
    ends = sorted({start, *(start + each * MINUTE for each in looks), start + 3 * UNITS["d"]})
    bit_by_bit = [
        each for low, high in itertools.pairwise(ends) for each in instants(schedule, low, high)
    ]
    assert bit_by_bit == at_once == sorted(set(at_once))


@pytest.mark.parametrize(
    ("cron", "low", "found"),
    [
        ("30 2 * * *", "2026-03-28T12:00", "2026-03-29T01:00"),  # left out: at the change
        ("30 2 * * *", "2026-10-24T12:00", "2026-10-25T00:30"),  # twice: the first time
        ("0 9 * * 1", "2026-11-27T12:00", "2026-11-30T08:00"),  # a Monday
        ("0 9 * * 7", "2026-11-27T12:00", "2026-11-29T08:00"),
        ("0 9 * * mon-fri", "2026-11-27T12:00", "2026-11-30T08:00"),
        ("0 9 * * 5-7", "2026-11-27T12:00", "2026-11-28T08:00"),
        ("0 9 1 * *", "2026-11-27T12:00", "2026-12-01T08:00"),
    ],
)
def test_crontab_lines_mean_what_they_mean_in_crontab(cron: str, low: str, found: str) -> None:
    schedule = Schedule(cron, "", "Europe/Berlin")
    assert instants(schedule, at(low), at(low) + 10 * UNITS["d"])[0] == at(found)


def test_one_time_comes_once_and_to_everybody_where_they_are() -> None:
    schedule = Schedule("", "2026-12-01T09:00", PERSON)
    (wall,) = schedules.walls(schedule, at("2026-11-01T00:00"), at("2026-12-31T00:00"))
    assert schedules.of_person(schedule, wall, "Pacific/Kiritimati") == at("2026-11-30T19:00")
    assert schedules.of_person(schedule, wall, "America/New_York") == at("2026-12-01T14:00")
    first, last = schedules.begins(schedule, wall), schedules.ends(schedule, wall)
    for zone in ZONES:
        assert first <= schedules.of_person(schedule, wall, zone) <= last


@pytest.mark.parametrize(
    "cron", ["0 9 * *", "61 * * * *", "0 9 1 * 1", "0 9 * * xyz", "0 9 * * 8", "a b c d e"]
)
def test_what_is_no_crontab_line_is_refused(cron: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        schedules.checked(Schedule(cron, "", "UTC"))
