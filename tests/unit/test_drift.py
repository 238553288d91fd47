"""Drift is seen where there is some, and not where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from profiles.learning.boosted import Boosted
from profiles.learning.boosting import fit
from profiles.learning.drift import Drift, watch
from profiles.learning.examples import Split, split
from profiles.learning.measuring import auc
from profiles.learning.shapes import shapes, stability
from tests.support.planted_people import HORIZON, NAMES, people


@pytest.fixture(scope="module")
def parts() -> Split:
    return split(people(5, 6000)[0], HORIZON)


@pytest.fixture(scope="module")
def model(parts: Split) -> Boosted:
    return fit(parts)


def seen(parts: Split, model: Boosted, later: tuple[np.ndarray, np.ndarray]) -> Drift:
    """What the watch says of people, given by their values and labels."""
    values, labels = later
    then = auc(parts.testing.labels, model.score(parts.testing.values)).value
    before = shapes(NAMES, parts.learning.values)
    return watch(labels, model.score(values), then, values, before)


def test_a_world_that_stays_as_it_was_holds(parts: Split, model: Boosted) -> None:
    later, _ = people(6, 3000)
    found = seen(parts, model, (later.values, later.labels))
    assert found.verdict == "holds"
    assert found.drop is not None
    assert abs(found.drop) < 0.03
    assert found.moved == []


def test_people_who_decide_otherwise_are_seen(parts: Split, model: Boosted) -> None:
    later, _ = people(6, 3000)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(3000) < 0.6, rng.random(3000) < 0.5, later.labels)
    found = seen(parts, model, (later.values, labels))
    assert found.verdict == "dropped"
    assert found.drop is not None
    assert found.drop > 0.1
    assert found.moved == []  # they are who they were; what they do is not what it was


def test_people_who_are_others_are_seen_by_feature(parts: Split, model: Boosted) -> None:
    later, _ = people(6, 3000)
    values = later.values.copy()
    values[:, 2] += 1.5
    values[::2, 3] = np.nan
    found = seen(parts, model, (values, later.labels))
    assert found.verdict == "holds"  # by features that it does not use
    assert {name for name, _ in found.moved} == {"noise", "rest"}


@pytest.mark.parametrize(("lost", "verdict"), [(0.09, "holds"), (0.11, "dropped")])
def test_more_than_a_tenth_is_a_drop(lost: float, verdict: str) -> None:
    later, truth = people(6, 3000)
    now = auc(later.labels, truth).value
    found = watch(later.labels, truth, now / (1 - lost), later.values, shapes(NAMES, later.values))
    assert found.verdict == verdict
    assert found.drop == pytest.approx(lost)


def test_a_few_are_not_judged_by() -> None:
    later, truth = people(6, 30)
    found = watch(later.labels, truth, 0.9, later.values, shapes(NAMES, later.values))
    assert (found.verdict, found.auc, found.drop) == ("too few", None, None)


def test_a_value_that_half_of_all_have_is_a_bin_of_its_own() -> None:
    rng = np.random.default_rng(0)
    before = np.concatenate([np.zeros(600), rng.uniform(1, 9, 400)])[:, None]
    (shape,) = shapes(("orders",), before)
    assert shape.shares[0] == pytest.approx(0.6)
    assert stability(shape, before[:, 0]) == pytest.approx(0)
    fewer = np.concatenate([np.zeros(200), rng.uniform(1, 9, 800)])
    assert stability(shape, fewer) > 0.25


def test_a_feature_that_nobody_had_moves_when_somebody_has_it() -> None:
    (shape,) = shapes(("new",), np.full((100, 1), np.nan))
    assert shape.unknown == 1
    assert stability(shape, np.full(100, np.nan)) == pytest.approx(0)
    assert stability(shape, np.arange(100.0)) > 0.25
