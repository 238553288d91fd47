"""What somebody's score rests on: what moves it most. It says what the model uses, not what causes.

Features that say the same share what they move.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from profiles.learning.boosted import Boosted, Numbers

_LEAST = 0.001  # of probability: less is nothing to speak of


class Reason(NamedTuple):
    """By how much somebody's score would be lower with what is usual of a feature."""

    feature: str
    value: float | None
    usual: float | None
    moves: float

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "feature": self.feature,
            "value": self.value,
            "usual": self.usual,
            "moves": round(self.moves, 3),
        }


def usual(values: Numbers) -> Numbers:
    """The median of each feature, of those of whom it is known; of nobody, not a number."""
    known = np.isfinite(values).any(axis=0)
    found = np.full(values.shape[1], np.nan)
    found[known] = np.nanmedian(values[:, known], axis=0)
    return found


def reasons(model: Boosted, values: Numbers, typical: Numbers, most: int = 3) -> list[list[Reason]]:
    """For each row what moves its score most when replaced by what is usual, the most first."""
    people, columns = values.shape
    replaced = np.repeat(values[None], columns, axis=0)  # by what is usual, a column at a time
    for column in range(columns):
        replaced[column, :, column] = typical[column]
    usual_scores = model.score(replaced.reshape(-1, columns)).reshape(columns, people)
    moves = (model.score(values) - usual_scores).T
    order = np.argsort(-np.abs(moves), axis=1, kind="stable")[:, :most]
    return [
        [
            Reason(model.names[c], _plain(row[c]), _plain(typical[c]), float(moved[c]))
            for c in columns
            if abs(moved[c]) >= _LEAST
        ]
        for row, moved, columns in zip(values, moves, order, strict=True)
    ]


def _plain(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
