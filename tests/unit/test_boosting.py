"""Probabilities that are learned: near the truth where it is known, and never from the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from profiles.learning.boosted import Boosted
from profiles.learning.boosting import fit
from profiles.learning.examples import Examples, Split, split
from profiles.learning.measuring import Measures, auc, measure
from tests.support.planted_people import HORIZON, people

EXAMPLES, TRUTH = people(1, 9000)
LATEST = EXAMPLES.at == EXAMPLES.at.max()


@pytest.fixture(scope="module")
def parts() -> Split:
    return split(EXAMPLES, HORIZON)


@pytest.fixture(scope="module")
def model(parts: Split) -> Boosted:
    return fit(parts)


@pytest.fixture(scope="module")
def measured(parts: Split, model: Boosted) -> Measures:
    return measure(parts.testing.labels, model.score(parts.testing.values), model.threshold)


def test_scores_rank_nearly_as_well_as_the_truth(measured: Measures) -> None:
    best = auc(EXAMPLES.labels[LATEST], TRUTH[LATEST])
    assert best.value - 0.015 < measured.auc.value <= best.value + 0.005


def test_scores_are_probabilities(parts: Split, model: Boosted, measured: Measures) -> None:
    scores = model.score(parts.testing.values)
    assert np.abs(scores - TRUTH[LATEST]).mean() < 0.05
    assert measured.calibration_error < 0.03
    assert abs(scores.mean() - parts.testing.labels.mean()) < 0.02
    least = ((TRUTH[LATEST] - EXAMPLES.labels[LATEST]) ** 2).mean()
    assert measured.brier.value < least + 0.005


def test_what_is_not_known_is_learned_from(parts: Split, model: Boosted) -> None:
    row = np.array([[0.0, np.nan, 0.0, 0.0], [0.0, 1.5, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]])
    unknown, late, recent = model.score(row)
    assert abs(unknown - late) < 0.1
    assert recent > late + 0.3


def test_the_same_examples_give_the_same_scores(parts: Split, model: Boosted) -> None:
    again = fit(parts).score(parts.testing.values)
    assert np.array_equal(again, model.score(parts.testing.values))


def test_a_rare_deed_is_as_probable_as_it_is_and_still_expected_of_some() -> None:
    examples, truth = people(2, 12_000, base=-4.5)
    parts = split(examples, HORIZON)
    model = fit(parts)
    testing = parts.testing
    assert testing.labels.mean() < 0.05
    scores = model.score(testing.values)
    assert abs(scores.mean() - testing.labels.mean()) < 0.01
    found = measure(testing.labels, scores, model.threshold)
    assert found.threshold < 0.4
    assert found.f1.value > measure(testing.labels, scores, 0.5).f1.value
    best = auc(testing.labels, truth[examples.at == examples.at.max()])
    assert found.auc.value > best.value - 0.05


def test_parts_follow_each_other_and_nothing_is_learned_that_was_not_known() -> None:
    labels = np.arange(600) % 2 == 0
    at = np.repeat(np.array([0, 5, 10, 12, 17, 27]), 100).astype(np.int64)
    parts = split(Examples(("x",), np.zeros((600, 1)), labels, at), HORIZON)
    assert set(parts.testing.at) == {27}
    assert set(parts.setting.at) == {17}
    assert set(parts.learning.at) == {0, 5}  # what was known as of 10 and 12 had not come out by 17


@pytest.mark.parametrize("instants", [1, 2])
def test_too_short_a_past_is_told(instants: int) -> None:
    examples, _ = people(3, 900, instants=instants)
    with pytest.raises(match="to learn from there are 0 people who did it"):
        split(examples, HORIZON)


def test_too_few_who_did_it_are_told() -> None:
    examples, _ = people(3, 900)
    rare = replace(examples, labels=examples.labels & (np.arange(900) < 90))
    with pytest.raises(match="at least 20 of each are needed"):
        split(rare, HORIZON)


def test_nobody_has_no_score(model: Boosted) -> None:
    assert model.score(np.empty((0, 4))).shape == (0,)
