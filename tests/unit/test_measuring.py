"""Figures about scores are what they say; their intervals cover the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import brier_score_loss, f1_score, precision_score, recall_score, roc_auc_score

from profiles.learning.boosted import Numbers
from profiles.learning.examples import Labels
from profiles.learning.measuring import Interval, auc, calibration, measure

DRAWS = 300
PEOPLE = 400
SHIFT = 1.2  # how far the scores of those who do it lie above the others', in standard deviations


def draw(seed: int, people: int = PEOPLE) -> tuple[Labels, Numbers]:
    """Labels and the true probabilities of them, of which a third comes true."""
    rng = np.random.default_rng(seed)
    labels = rng.random(people) < 1 / 3
    values = rng.normal(size=people) + SHIFT * labels
    odds = SHIFT * values - SHIFT**2 / 2 + np.log(0.5)
    return labels, 1 / (1 + np.exp(-odds))


def test_figures_are_those_of_the_textbook() -> None:
    labels, scores = draw(1)
    scores = np.round(scores, 1)  # many are alike
    found = measure(labels, scores, 0.4)
    reached = scores >= 0.4
    assert found.auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert found.precision.value == pytest.approx(precision_score(labels, reached))
    assert found.recall.value == pytest.approx(recall_score(labels, reached))
    assert found.f1.value == pytest.approx(f1_score(labels, reached))
    assert found.brier.value == pytest.approx(brier_score_loss(labels, scores))
    assert found.share.value == pytest.approx(labels.mean())
    assert sum(each.people for each in found.calibration) == PEOPLE


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    everybody, scores = draw(0, 400_000)
    whole = measure(everybody, scores, 0.4)
    assert whole.auc.value == pytest.approx(norm.cdf(SHIFT / np.sqrt(2)), abs=0.002)
    assert whole.calibration_error < 0.01
    found = [measure(*draw(seed), 0.4) for seed in range(1, DRAWS + 1)]
    for name in ("share", "auc", "precision", "recall", "f1", "brier"):
        truth = getattr(whole, name).value
        intervals: list[Interval] = [getattr(each, name) for each in found]
        covered = sum(each.low <= truth <= each.high for each in intervals) / DRAWS
        assert 0.91 <= covered <= 0.985, name


def test_perfect_order_is_not_certain() -> None:
    labels = np.array([True] * 30 + [False] * 60)
    found = auc(labels, labels.astype(float))
    assert (found.value, found.low, found.high) == (1.0, 0.9, 1.0)
    backwards = auc(labels, 1 - labels.astype(float))
    assert (backwards.value, backwards.low, backwards.high) == (0.0, 0.0, 0.1)


def test_scores_that_are_all_alike_tell_nothing() -> None:
    labels = np.array([True] * 30 + [False] * 60)
    found = auc(labels, np.full(90, 0.3))
    assert found.value == found.low == found.high == 0.5
    (whole,) = calibration(labels, np.full(90, 0.3))
    assert whole.people == 90
    assert whole.expected == pytest.approx(0.3)
    assert whole.came == pytest.approx(1 / 3)


def test_a_threshold_that_nobody_reaches_says_nothing_of_precision() -> None:
    labels, scores = draw(1)
    found = measure(labels, scores, 1.1)
    assert found.precision == Interval(0.0, 0.0, 1.0)
    assert found.recall.value == 0
    assert found.f1.value == 0


def test_scores_that_promise_too_much_are_seen() -> None:
    labels, scores = draw(2, 4000)
    right = measure(labels, scores, 0.4).calibration_error
    wrong = measure(labels, np.sqrt(scores), 0.4).calibration_error
    assert right < 0.03
    assert wrong > 0.15
