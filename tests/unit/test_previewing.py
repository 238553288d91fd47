"""A preview's bounds hold as often as they say."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from cdp.previewing import estimate


@given(st.integers(0, 1000), st.integers(0, 2000))
def test_bounds_enclose_the_estimate_and_what_was_found(found: int, more: int) -> None:
    people = 1000 + more
    about, low, high = estimate(found, 1000, people)
    assert found <= low <= about <= high <= people
    if not more:
        assert low == about == high == found


def test_nineteen_of_twenty_samples_have_the_truth_within_their_bounds() -> None:
    shuffler = random.Random(5)
    people = [number < 700 for number in range(20_000)]
    within = 0
    for _ in range(400):
        found = sum(shuffler.sample(people, 1000))
        _, low, high = estimate(found, 1000, len(people))
        within += low <= 700 <= high
    assert within >= 370


def test_nobody_is_estimated_from_nobody() -> None:
    assert estimate(0, 0, 0) == (0, 0, 0)
