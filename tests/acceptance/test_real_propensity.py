"""Propensity on sessions of a real shop (UCI 468): who buys, by what they did in the session.

The data has no times but the month, and no people: it is split in three at random, with the same
share of buyers in each, and by month besides. Both are told, for they differ.
"""

from __future__ import annotations

import csv
import gzip
from typing import NamedTuple

import numpy as np
import pytest

from profiles.learning.boosted import Boosted
from profiles.learning.boosting import fit
from profiles.learning.examples import Examples, Split, checked
from profiles.learning.measuring import Measures, measure
from profiles.learning.weighing import weights
from tests.support.data import public

FILE = "propensity/online_shoppers_intention.csv.gz"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
VISITORS = ("New_Visitor", "Other", "Returning_Visitor")


class Tried(NamedTuple):
    """A model and what it was measured on."""

    parts: Split
    model: Boosted
    measures: Measures


def sessions() -> Examples:
    """All of them; as of is the number of the month."""
    with gzip.open(public(FILE), "rt") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    names = [name for name in rows[0] if name != "Revenue"]
    values = np.array([[number(name, row[name]) for name in names] for row in rows])
    labels = np.array([row["Revenue"] == "TRUE" for row in rows])
    return Examples(names, values, labels, values[:, names.index("Month")].astype(np.int64))


def number(name: str, written: str) -> float:
    match name:
        case "Month":
            return MONTHS.index(written) + 1
        case "VisitorType":
            return VISITORS.index(written)
        case "Weekend":
            return written == "TRUE"
    return float(written)


def tried(parts: Split) -> Tried:
    model = fit(checked(parts))
    testing = parts.testing
    return Tried(
        parts, model, measure(testing.labels, model.score(testing.values), model.threshold)
    )


@pytest.fixture(scope="module")
def stratified() -> Tried:
    """Six tenths to learn from, two each for the rest; with the same share of buyers in each."""
    examples = sessions()
    rng = np.random.default_rng(468)
    part = np.empty(len(examples.labels), dtype=int)
    for kind in (True, False):
        mine = np.flatnonzero(examples.labels == kind)
        part[rng.permutation(mine)] = np.digitize(np.arange(len(mine)) / len(mine), [0.6, 0.8])
    return tried(Split(*(examples.where(part == number) for number in range(3))))


def test_who_buys_is_told(stratified: Tried) -> None:
    found = stratified.measures
    print(found.shown())
    assert found.people == pytest.approx(2466, abs=2)
    assert found.auc.value >= 0.92
    assert found.auc.low > 0.91
    assert found.f1.value > 0.6
    assert found.calibration_error < 0.03
    assert found.brier.value < 0.08  # who expects of everybody the share of all has 0.13


def test_what_it_rests_on_is_what_is_known_of_this_data(stratified: Tried) -> None:
    heaviest, *others = weights(stratified.model, stratified.parts.testing)
    assert heaviest.feature == "PageValues"
    assert heaviest.loss.low > 3 * others[0].loss.high


def test_later_months_are_told_less_well_and_the_figures_say_so() -> None:
    """Learned up to September, set by October, measured on November and December."""
    examples = sessions()
    found = tried(
        Split(
            examples.where(examples.at <= 9),
            examples.where(examples.at == 10),
            examples.where(examples.at >= 11),
        )
    ).measures
    print(found.shown())
    assert found.people == 4725
    assert 0.80 < found.auc.value < 0.90
    assert found.auc.high - found.auc.low < 0.04
