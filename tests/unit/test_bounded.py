"""Memories with a bound: how many are kept, and which."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cdp.bounded import make_room


def test_up_to_the_bound_nothing_is_forgotten() -> None:
    held = dict.fromkeys(range(16))
    make_room(held, 16)
    assert list(held) == list(range(16))


def test_the_oldest_make_room_for_some_more_than_the_new_one() -> None:
    held = dict.fromkeys(range(17))
    make_room(held, 16)
    assert list(held) == list(range(3, 17))


@given(st.integers(0, 40), st.lists(st.integers(0, 99), max_size=300))
def test_what_came_last_is_there_and_never_more_than_the_bound(size: int, came: list[int]) -> None:
    held: dict[int, None] = {}
    for each in came:
        held.pop(each, None)
        held[each] = None
        make_room(held, size)
        assert len(held) <= size
    least = size - size // 8
    newest = list(dict.fromkeys(reversed(came)))[:least]
    assert list(held)[len(held) - len(newest) :] == newest[::-1]
