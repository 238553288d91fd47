"""Says how probable it is that people do it, by trees that were learned: numpy alone, plain data.

The trees are those of scikit-learn's histogram gradient boosting, as numbers that anybody can read:
nothing that is loaded can run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]
LEAF = -1  # in place of a feature
_ROWS = 1024  # that are walked down together


class Tree(msgspec.Struct, frozen=True):
    """Nodes by number, from 0 on: up to its threshold a feature leads left, above it right."""

    feature: list[int]  # the number of its column
    threshold: list[float]
    left: list[int]
    right: list[int]
    unknown_left: list[bool]  # where what is not known leads
    value: list[float]  # of a leaf


class Boosted(msgspec.Struct, frozen=True):
    """A model: log odds are a base and what each tree adds, set to what came by slope and offset.

    Whoever reaches the threshold is expected to do it.
    """

    names: tuple[str, ...]
    base: float
    trees: list[Tree]
    slope: float
    offset: float
    threshold: float

    def score(self, rows: Numbers) -> Numbers:
        """The probability for each row, of which every name is a column; NaN is not known."""
        nodes = _Nodes.of(self.trees)
        parts = [nodes.sums(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
        raw = self.base + np.concatenate([*parts, np.empty(0)])
        odds = np.clip(self.slope * raw + self.offset, -30, 30)
        found: Numbers = 1 / (1 + np.exp(-odds))
        return found


class _Nodes(NamedTuple):
    """All trees as one table, so that all of them are walked at once; a leaf leads to itself."""

    roots: NDArray[np.intp]
    feature: NDArray[np.intp]
    threshold: Numbers
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    unknown_left: NDArray[np.bool_]
    value: Numbers

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> _Nodes:
        sizes = [len(tree.feature) for tree in trees]
        roots = np.cumsum([0, *sizes], dtype=np.intp)[:-1]
        first = np.repeat(roots, sizes)
        feature = np.array([each for tree in trees for each in tree.feature], dtype=np.intp)
        left = np.array([each for tree in trees for each in tree.left], dtype=np.intp) + first
        right = np.array([each for tree in trees for each in tree.right], dtype=np.intp) + first
        leaf, here = feature == LEAF, np.arange(len(feature))
        return cls(
            roots,
            np.where(leaf, 0, feature),
            np.array([each for tree in trees for each in tree.threshold]),
            np.where(leaf, here, left),
            np.where(leaf, here, right),
            np.array([each for tree in trees for each in tree.unknown_left], dtype=np.bool_),
            np.array([each for tree in trees for each in tree.value]),
        )

    def sums(self, rows: Numbers) -> Numbers:
        """What the leaves that each row comes to add up to."""
        row, place = np.arange(len(rows))[:, None], np.tile(self.roots, (len(rows), 1))
        while True:
            value = rows[row, self.feature[place]]
            known = value <= self.threshold[place]
            leftwards = known | (np.isnan(value) & self.unknown_left[place])
            after = np.where(leftwards, self.left[place], self.right[place])
            if np.array_equal(after, place):
                found: Numbers = self.value[place].sum(axis=1)
                return found
            place = after
