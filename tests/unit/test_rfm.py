"""Scores of recency, frequency and monetary value are fifths of all customers."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from profiles.learning.features import Observation
from profiles.learning.protocol import Fitted, Lesson, Unlearnable, fit, score

NOBODY = Observation({"frequency": 0.0, "monetary": 0.0})


def customer(days: float, times: float, paid: float) -> Observation:
    return Observation({"recency": days, "frequency": times, "monetary": paid})


def fitted(people: list[Observation], parts: int = 5) -> Fitted:
    return fit(Lesson("rfm", {"parts": parts}, people))


def scores(made: Fitted, people: list[Observation]) -> list[Any]:
    return score("rfm", made.parameters, people)


def test_each_fifth_of_the_customers_has_its_score() -> None:
    people = [customer(n, 100 - n, (n * 37) % 100) for n in range(100)]
    Random(1).shuffle(people)
    made = fitted(people)
    days = [each.amounts["recency"] for each in people]
    said = dict(zip(days, scores(made, people), strict=True))
    assert (said[0], said[19], said[20], said[99]) == ("551", "551", "443", "114")
    for place in range(3):
        assert Counter(each[place] for each in said.values()) == dict.fromkeys("12345", 20)
    assert made.report["scores"]["recency"][0] == {
        "score": 5, "customers": 20, "from": 0.0, "to": 19.0, "mean": 9.5,
    }  # fmt: skip


def test_who_never_bought_has_no_score_and_moves_no_limit() -> None:
    people = [customer(n, 1 + n % 7, n) for n in range(60)]
    alone, among = fitted(people), fitted([*people, *[NOBODY, Observation()] * 200])
    assert alone.parameters == among.parameters
    assert (among.report["customers"], among.report["others"]) == (60, 400)
    assert scores(among, [NOBODY, people[0], Observation()]) == [
        None,
        scores(alone, people)[0],
        None,
    ]


def test_equals_stay_together_and_new_extremes_have_the_best_and_the_worst() -> None:
    people = [customer(n, 1, 10) for n in range(90)] + [customer(n, 5, 99) for n in range(10)]
    made = fitted(people)
    said = scores(made, people)
    assert {each[1:] for each in said[:90]} == {"11"}
    assert {each[1:] for each in said[90:]} == {"55"}
    assert scores(made, [customer(0, 99, 9999), customer(9999, 1, -5)]) == ["555", "111"]


def test_it_may_be_cut_into_other_parts() -> None:
    people = [customer(n, 1 + n, n) for n in range(90)]
    assert set(scores(fitted(people, 3), people)) == {"311", "222", "133"}


def test_of_few_customers_nothing_is_learned() -> None:
    with pytest.raises(Unlearnable, match="49 people allow the purpose and did it; 50 are needed"):
        fitted([*(customer(n, 1, 1) for n in range(49)), *[NOBODY] * 100])
