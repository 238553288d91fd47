"""Room for bodies: counted from the first byte, given back at the end, refused if there is none."""

from __future__ import annotations

import pytest

from cdp.collect.admission import Admission
from cdp.errors import Overloaded


def test_room_is_given_back_however_a_request_ends() -> None:
    admission = Admission(lambda entering: None, 100)
    with admission.room({}) as one:
        one.grow(60)
        with admission.room({}) as other, pytest.raises(Overloaded):
            other.grow(30)
            other.grow(30)
        assert admission.taken == 60
    assert admission.taken == 0


def test_a_body_alone_is_let_in_whatever_its_size() -> None:
    admission = Admission(lambda entering: None, 100)
    with admission.room({}) as room:
        room.grow(400)
    assert admission.taken == 0


def test_who_would_wait_too_long_is_refused_before_anything_is_read() -> None:
    def behind(entering: int) -> None:
        raise Overloaded("behind")

    with pytest.raises(Overloaded, match="behind"):
        Admission(behind, 100).room({})


def test_who_is_let_in_counts_until_its_events_count_themselves() -> None:
    asked: list[int] = []
    admission = Admission(asked.append, 10_000)
    first, second = {}, {}  # type: ignore[var-annotated]
    admission.enter(first, 5000)
    admission.enter(second, 1000)
    with admission.room(first) as room, admission.room(second):
        room.grow(5000)
        admission.enter({}, 0)
        room.counted(50)
        admission.enter({}, 0)
    admission.enter({}, 0)
    assert asked == [0, 10, 12, 2, 0]


def test_what_an_event_weighs_is_learned_from_those_that_come() -> None:
    admission = Admission(lambda entering: None, 10_000)
    for _ in range(1000):
        with admission.room({}) as room:
            room.grow(2000)
            room.counted(20)
    admission.enter({}, 2000)
    assert admission.entering == pytest.approx(20, abs=1)
