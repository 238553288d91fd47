"""When messages go: times of day in fourteen places, quiet hours, caps, priorities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activation.pacing import hours
from activation.pacing.model import (
    Cap,
    Drop,
    Go,
    Policy,
    Quiet,
    Slot,
    Traffic,
    Wait,
    Wanted,
    Whom,
    decide,
)
from cdp.times import from_datetime, to_datetime

HOUR, DAY = 3_600_000_000, 86_400_000_000
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
)
# Around the nights in which clocks change in Europe and America.
AROUND = [from_datetime(datetime(2026, *day, tzinfo=UTC)) for day in ((3, 8), (3, 29), (10, 25))]
INSTANTS = st.one_of(
    st.integers(from_datetime(datetime(2026, 1, 1)), from_datetime(datetime(2027, 1, 1))),
    st.sampled_from(AROUND).flatmap(lambda at: st.integers(at - 2 * DAY, at + 2 * DAY)),
)
MINUTES = st.integers(0, 1439)


def at(text: str, zone: str = "UTC") -> int:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def wall(instant: int, zone: str) -> datetime:
    return to_datetime(instant).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def message(requested: int, **told: object) -> Wanted:
    said = {"id": b"m", "channel": "email", "purpose": "marketing"} | told
    return Wanted(at=requested, **said)  # type: ignore[arg-type]


@given(INSTANTS, MINUTES, st.sampled_from(ZONES))
def test_the_next_time_of_day_is_the_first_that_a_clock_there_shows(
    now: int, minute: int, zone: str
) -> None:
    """Walked minute by minute: clocks there show it, or pass over it, first at that instant."""
    found = hours.next_minute(now, minute, zone)
    assert now <= found <= now + 2 * DAY
    shown = wall(found, zone)
    past = shown.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)
    before = wall(found - 1, zone)
    assert shown == past or before < past <= shown  # a change of clocks passed over it
    walked = now
    while walked < found:
        clock = wall(walked, zone)
        fold = to_datetime(walked).astimezone(ZoneInfo(zone)).fold
        assert (clock.hour * 60 + clock.minute, fold, walked == now) != (minute, 0, False)
        walked += min(10 * 60_000_000, found - walked) if found - walked > HOUR else 60_000_000
        walked -= walked % 60_000_000


@given(INSTANTS, MINUTES, MINUTES, st.sampled_from(ZONES))
def test_quiet_hours_end_when_they_say_or_never_held(
    now: int, begin: int, end: int, zone: str
) -> None:
    over = hours.end_of_quiet(now, begin, end, zone)
    clock = wall(now, zone)
    minute = clock.hour * 60 + clock.minute
    quiet = begin <= minute < end if begin < end else begin != end and not end <= minute < begin
    assert (over > now) == quiet
    if quiet:
        assert over == hours.next_minute(now, end, zone)


@pytest.mark.parametrize(
    ("zone", "now", "minute", "then"),
    [
        ("Europe/Berlin", "2026-03-29T00:00", 150, "2026-03-29T03:00"),  # 02:30 is left out
        ("Europe/Berlin", "2026-10-25T00:00", 150, "2026-10-25T02:30"),  # twice: the first
        ("Asia/Kathmandu", "2026-05-01T12:00", 540, "2026-05-02T09:00"),
        ("Australia/Lord_Howe", "2026-10-04T00:00", 135, "2026-10-04T02:30"),  # half an hour
    ],
)
def test_nights_on_which_clocks_change(zone: str, now: str, minute: int, then: str) -> None:
    assert hours.next_minute(at(now, zone), minute, zone) == at(then, zone)


def test_somebody_new_has_their_cohorts_hour_and_somebody_known_their_own() -> None:
    everybody, cohort = {9: 10_000, 20: 9_000}, {20: 500, 9: 100}
    assert hours.best_hour({}, {}, {}) == 0
    assert hours.best_hour({}, {}, everybody) == 9
    assert hours.best_hour({}, cohort, everybody) == 20
    assert hours.best_hour({7: 3}, cohort, everybody) == 20
    assert hours.best_hour({7: 60}, cohort, everybody) == 7


NOW = at("2026-11-26T12:00")
HERE = Whom("Europe/Berlin", 18)


def test_a_message_waits_for_its_time_and_for_the_end_of_quiet_hours() -> None:
    night = Policy(quiet=(Quiet(20 * 60, 8 * 60),))
    assert decide(message(NOW), night, HERE, Traffic(), NOW) == Go()
    late = decide(message(NOW, timing="21:30"), night, HERE, Traffic(), NOW)
    assert late == Wait(at("2026-11-27T08:00", HERE.zone), "quiet hours until 08:00")
    best = decide(message(NOW, timing="best"), night, HERE, Traffic(), NOW)
    assert best == Wait(at("2026-11-26T18:00", HERE.zone), "until 18:00, their best hour")
    push = Policy(quiet=(Quiet(0, 23 * 60, ("push",)),))
    assert decide(message(NOW), push, HERE, Traffic(), NOW) == Go()
    receipt = message(NOW, purpose="necessary")
    midnight = at("2026-11-27T00:00", HERE.zone)
    assert decide(receipt, night, HERE, Traffic(), midnight) == Go()


def test_a_cap_drops_or_waits_for_room() -> None:
    sent = [Slot(NOW - DAY, "email", "marketing"), Slot(NOW - HOUR, "push", "marketing")]
    drops, waits = (
        Policy(caps=(Cap(2, 7 * DAY, waits=waits),), patience=30 * DAY) for waits in (False, True)
    )
    told = "cap: 2 in 1 week"
    assert decide(message(NOW), drops, HERE, Traffic(sent), NOW) == Drop(told)
    assert decide(message(NOW), waits, HERE, Traffic(sent), NOW) == Wait(NOW + 6 * DAY, told)
    assert decide(message(NOW), waits, HERE, Traffic(sent), NOW + 6 * DAY) == Go()
    by_mail = Policy(caps=(Cap(2, 7 * DAY, channel="email"),))
    assert decide(message(NOW), by_mail, HERE, Traffic(sent), NOW) == Go()
    impatient = Policy(caps=(Cap(2, 7 * DAY, waits=True),))
    dropped = decide(message(NOW), impatient, HERE, Traffic(sent), NOW)
    assert dropped == Drop(f"{told}; 3 days is the longest that it may wait")


def test_a_cap_of_a_purpose_counts_what_is_allowed_by_channel_too() -> None:
    cap = Cap(1, DAY, purpose="news")
    assert cap.counts("email", "news.email")
    assert not cap.counts("email", "newsletter")
    assert not Cap(1, DAY, purpose="news.push").counts("email", "news.email")


def test_the_last_room_is_for_the_highest_priority() -> None:
    policy = Policy(caps=(Cap(1, DAY),))
    low, high = message(NOW, id=b"1"), message(NOW + 1, id=b"2", priority=5)
    told = Drop("cap: 1 in 1 day, which a higher priority takes")
    assert decide(low, policy, HERE, Traffic(waiting=[high]), NOW + 1) == told
    assert decide(high, policy, HERE, Traffic(waiting=[low]), NOW + 1) == Go()


POLICIES = st.builds(
    Policy,
    caps=st.lists(
        st.builds(
            Cap,
            limit=st.integers(1, 4),
            window=st.sampled_from([HOUR, DAY, 7 * DAY]),
            channel=st.sampled_from(["", "email", "push"]),
            purpose=st.sampled_from(["", "marketing"]),
            waits=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    quiet=st.lists(
        st.builds(Quiet, MINUTES, MINUTES, st.sampled_from([(), ("push",)])), max_size=2
    ).map(tuple),
)
MESSAGES = st.lists(
    st.tuples(
        st.integers(0, 5 * DAY),
        st.sampled_from(["email", "push"]),
        st.sampled_from(["marketing", "news"]),
        st.integers(0, 2),
        st.sampled_from(["", "09:00", "23:30", "best"]),
    ),
    max_size=12,
)


@given(POLICIES, MESSAGES, st.sampled_from(ZONES), st.sampled_from(AROUND))
def test_whatever_comes_caps_and_quiet_hours_hold(
    policy: Policy, messages: list[tuple[int, str, str, int, str]], zone: str, start: int
) -> None:
    """Played through in the order in which things are due; what was sent is counted afterwards."""
    whom, sent = Whom(zone, 18), list[Slot]()
    due = [
        (start + after, Wanted(bytes([n]), start + after, *rest))
        for n, (after, *rest) in enumerate(messages)
    ]
    steps = 0
    while due:
        due.sort()
        (now, wanted), *due = due
        waiting = [each for _, each in due if each.at <= now]
        found = decide(wanted, policy, whom, Traffic(sent, waiting), now)
        steps += 1
        assert steps < 500, "it never ends"
        if isinstance(found, Wait):
            assert found.until > now
            assert found.until - wanted.at <= policy.patience
            due.append((found.until, wanted))
        elif isinstance(found, Go):
            sent.append(Slot(now, wanted.channel, wanted.purpose))
    for slot in sent:
        for cap in policy.caps:
            if cap.counts(slot.channel, slot.purpose):
                within = [
                    each
                    for each in sent
                    if cap.counts(each.channel, each.purpose)
                    and slot.at - cap.window < each.at <= slot.at
                ]
                assert len(within) <= cap.limit
        clock = wall(slot.at, zone)
        minute = clock.hour * 60 + clock.minute
        for quiet in policy.quiet:
            if not quiet.channels or slot.channel in quiet.channels:
                begin, end = quiet.begin, quiet.end
                inside = begin <= minute < end if begin < end else begin != end
                assert not (inside if begin < end else inside and not end <= minute < begin)


def test_a_time_of_day_is_waited_for_at_most_a_day_and_a_change_of_clocks() -> None:
    for zone in ZONES:
        found = hours.next_minute(NOW, 9 * 60, zone)
        assert timedelta() <= to_datetime(found) - to_datetime(NOW) <= timedelta(hours=25)
        assert wall(found, zone).hour == 9
