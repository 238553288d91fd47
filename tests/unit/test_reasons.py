"""Reasons name what was planted, in the direction in which it was planted."""

from __future__ import annotations

import numpy as np
import pytest

from profiles.learning.boosted import Boosted
from profiles.learning.boosting import fit
from profiles.learning.examples import Split, split
from profiles.learning.reasons import reasons, usual
from profiles.learning.weighing import weights
from tests.support.planted_people import HORIZON, people


@pytest.fixture(scope="module")
def parts() -> Split:
    return split(people(4, 6000)[0], HORIZON)


@pytest.fixture(scope="module")
def model(parts: Split) -> Boosted:
    return fit(parts)


def test_the_planted_features_weigh_and_the_others_do_not(parts: Split, model: Boosted) -> None:
    found = weights(model, parts.testing)
    assert [each.feature for each in found[:2]] == ["orders", "recency"]
    assert all(each.loss.low > 0.03 for each in found[:2])
    assert all(abs(each.loss.value) < 0.01 for each in found[2:])
    assert found == weights(model, parts.testing)


def test_somebody_is_told_what_sets_their_score_apart(parts: Split, model: Boosted) -> None:
    typical = usual(parts.learning.values)
    rows = np.array([[2.0, 0.0, 0.0, 0.0], [-2.0, 0.0, 0.0, 0.0], [0.0, np.nan, 2.0, 0.0]])
    rows[0, 1] = rows[1, 1] = typical[1]
    many, few, unknown = reasons(model, rows, typical)
    assert (many[0].feature, many[0].value) == ("orders", 2.0)
    assert many[0].moves > 0.3
    assert few[0].feature == "orders"
    assert few[0].moves < -0.3
    assert (unknown[0].feature, unknown[0].value) == ("recency", None)
    assert unknown[0].moves < -0.1
    assert unknown[0].usual == pytest.approx(typical[1], abs=1e-3)


def test_who_is_as_usual_has_no_reasons(parts: Split, model: Boosted) -> None:
    typical = usual(parts.learning.values)
    assert reasons(model, typical[None, :], typical) == [[]]


def test_a_feature_that_nobody_has_is_not_usual_in_any_way() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    assert np.array_equal(usual(values), [2.0, np.nan], equal_nan=True)
