"""How features lie among people, and how far they moved since: the population stability index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from profiles.learning.boosted import Numbers

_BINS = 10
_FEWEST = 1e-4  # a share that is taken to be there, so that an empty bin is not infinitely far


class Shape(NamedTuple):
    """How a feature lies in a population: edges of bins, their shares, the share of unknown."""

    feature: str
    edges: list[float]
    shares: list[float]
    unknown: float


def shapes(names: Sequence[str], values: Numbers) -> list[Shape]:
    """How each feature lies among these people, in tenths of those of whom it is known."""
    return [_shape(name, values[:, column]) for column, name in enumerate(names)]


def stability(before: Shape, values: Numbers) -> float:
    """The population stability index: 0 where nothing moved, above 0.25 where much did."""
    now = _shares(before.feature, before.edges, values)
    old, new = (np.maximum([*each.shares, each.unknown], _FEWEST) for each in (before, now))
    return float(((new - old) * np.log(new / old)).sum())


def _shape(feature: str, values: Numbers) -> Shape:
    known = values[np.isfinite(values)]
    edges: list[float] = []
    if len(known):
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])).tolist()
    return _shares(feature, edges, values)


def _shares(feature: str, edges: list[float], values: Numbers) -> Shape:
    """A value that is an edge lies below it: a value that half of all have gets its own bin."""
    known = values[np.isfinite(values)]
    number = np.digitize(known, edges, right=True)
    counts = np.bincount(number, minlength=len(edges) + 1)
    total = max(len(values), 1)
    return Shape(
        feature, edges, (counts / total).tolist(), float((len(values) - len(known)) / total)
    )
