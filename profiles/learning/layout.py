"""Observations as the rows of a matrix: which columns there are, what is missing, and the scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from profiles.learning.features import Observation

Matrix = NDArray[np.float64]

MOST_VALUES = 12  # of what is shared out; those that the most people have
FEW, FEW_IN = 5, 0.01  # people, and of all; what sets fewer apart makes no groups
SKEWED = 2.0  # from this skewness on an amount is taken by its logarithm
_CLOSE = 1e-9
_FARTHEST = 8.0  # standard deviations; what lies beyond is as far as that


class Column(msgspec.Struct, frozen=True):
    """A feature: how it is called, what it is where it is missing, and how it is scaled.

    `value` is of what is shared out; then `weight` makes all values of it together count as one.
    """

    name: str
    value: str | None
    missing: float
    mean: float
    scale: float
    logarithmic: bool = False
    weight: float = 1.0


class Layout(msgspec.Struct, frozen=True):
    """The columns, in order."""

    columns: list[Column]

    def raw(self, observations: Sequence[Observation]) -> Matrix:
        """As people would say it: amounts in their own units, what is missing filled in."""
        rows = [[_of(each, column) for column in self.columns] for each in observations]
        return np.array(rows, dtype=np.float64).reshape(len(observations), len(self.columns))

    def scaled(self, observations: Sequence[Observation]) -> Matrix:
        """As distances are measured: no column counts for more than another by its unit."""
        found = self.raw(observations)
        for place, column in enumerate(self.columns):
            found[:, place] = _scaled(found[:, place], column)
        return found


def learned(observations: Sequence[Observation]) -> Layout:
    """The layout that these ask for; a column that says the same of nearly all is left out."""
    amounts = sorted({name for each in observations for name in each.amounts})
    columns = [_amount(observations, name) for name in amounts]
    for name in sorted({name for each in observations for name in each.shares}):
        columns += _shares(observations, name)
    return Layout([each for each in columns if each is not None])


def decoded(plain: Any) -> Layout:
    """Out of a model's parameters."""
    return msgspec.convert(plain, Layout)


def plain(layout: Layout) -> Any:
    """As it stands in a model's parameters."""
    return msgspec.to_builtins(layout)


def _of(observation: Observation, column: Column) -> float:
    if column.value is None:
        return observation.amounts.get(column.name, column.missing)
    return observation.shares.get(column.name, _NOTHING).get(column.value, 0.0)


_NOTHING: Mapping[str, float] = {}


def _amount(observations: Sequence[Observation], name: str) -> Column | None:
    found = np.array([each.amounts[name] for each in observations if name in each.amounts])
    missing = float(np.median(found))
    whole = np.array([each.amounts.get(name, missing) for each in observations])
    logarithmic = bool(whole.min() >= 0 and _skewness(whole) > SKEWED)
    return _column(Column(name, None, missing, 0.0, 1.0, logarithmic), whole)


def _shares(observations: Sequence[Observation], name: str) -> list[Column | None]:
    have = Counter(value for each in observations for value in each.shares.get(name, _NOTHING))
    values = [value for value, _ in sorted(have.items(), key=lambda each: (-each[1], each[0]))]
    values = values[:MOST_VALUES]
    weight = 1 / max(len(values), 1) ** 0.5
    columns = []
    for value in values:
        column = Column(name, value, 0.0, 0.0, 1.0, weight=weight)
        columns.append(_column(column, np.array([_of(each, column) for each in observations])))
    return columns


def _column(column: Column, values: Matrix) -> Column | None:
    found = np.log1p(values) if column.logarithmic else values
    mean, scale = float(found.mean()), float(found.std())
    usual = np.median(found)
    others = int((np.abs(found - usual) > _CLOSE * max(1.0, abs(usual))).sum())
    if others < max(FEW, FEW_IN * len(found)):
        return None
    return msgspec.structs.replace(column, mean=mean, scale=scale)


def _scaled(values: Matrix, column: Column) -> Matrix:
    found = np.log1p(np.maximum(values, 0.0)) if column.logarithmic else values
    far = np.clip((found - column.mean) / column.scale, -_FARTHEST, _FARTHEST)
    scaled: Matrix = far * column.weight
    return scaled


def _skewness(values: Matrix) -> float:
    """Fisher's moment coefficient."""
    spread = values.std()
    return float(((values - values.mean()) ** 3).mean() / spread**3) if spread > _CLOSE else 0.0
