"""Slots of a destination with a rate: evenly spread, in order, and never more than fit."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from activation.lanes.slots import AHEAD_SECONDS, Row, give, spacing, to_release
from activation.model import Delivery, State
from cdp.events import ProfileId
from cdp.times import SECOND

NOW = 1_768_469_400 * SECOND


def deliveries(count: int, state: State = "requested") -> list[Delivery]:
    made = []
    for number in range(count):
        key = number.to_bytes(16)
        made.append(Delivery(key, "crm", ProfileId(key), "s", "entered", NOW, "p", state))
    return made


def test_those_that_come_at_once_are_spread_evenly() -> None:
    given_ = give(Row(0), deliveries(3), 50.0, NOW)
    assert list(given_.slots.values()) == [NOW, NOW + 20_000, NOW + 40_000]
    assert given_.later == {}
    assert given_.row == Row(NOW + 60_000)


def test_what_has_no_slot_soon_waits_in_its_order() -> None:
    given_ = give(Row(0), deliveries(60), 10.0, NOW)
    assert len(given_.slots) == 11  # a second's worth ahead, and the one of now
    dues = [later.until for later in given_.later.values()]
    assert dues == sorted(set(dues))
    assert given_.row.last == NOW + 59 * SECOND // 10


def test_who_comes_anew_waits_behind_those_who_wait() -> None:
    waited_for = Row(NOW, NOW + 5 * SECOND)
    assert give(waited_for, deliveries(1), 10.0, NOW).slots == {}
    assert len(give(waited_for, deliveries(1, "retrying"), 10.0, NOW).slots) == 1


def test_slots_that_nobody_took_are_not_made_up_for() -> None:
    rested = give(Row(NOW - 60 * SECOND), deliveries(200), 50.0, NOW)
    assert min(rested.slots.values()) == NOW
    assert len(rested.slots) == 51


def test_a_slow_rate_lets_one_go_when_its_slot_is_near() -> None:
    assert to_release(Row(NOW + 8 * SECOND, NOW), 0.1, NOW, 0) == 0
    assert to_release(Row(NOW + SECOND // 2, NOW), 0.1, NOW, 0) == 1
    assert to_release(Row(NOW + SECOND // 2, NOW), 0.1, NOW, 1) == 0


def test_as_many_are_let_go_as_find_a_slot() -> None:
    row = Row(NOW - SECOND, NOW)
    count = to_release(row, 50.0, NOW, 0)
    assert len(give(row, deliveries(count, "retrying"), 50.0, NOW).slots) == count


@given(
    st.floats(0.001, 10_000.0),
    st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(0, 40)), max_size=20),
)
def test_no_second_has_more_slots_than_the_rate(rate: float, claims: list[tuple[int, int]]) -> None:
    row, now, slots = Row(0), NOW, list[int]()
    for wait, count in claims:
        now += wait
        taken = give(row, deliveries(count, "retrying"), rate, now)
        row = taken.row
        assert all(now <= slot <= now + AHEAD_SECONDS * SECOND for slot in taken.slots.values())
        slots += taken.slots.values()
    assert all(b - a >= spacing(rate) for a, b in itertools.pairwise(slots))
    assert spacing(rate) * rate >= SECOND * (1 - 1e-9)
