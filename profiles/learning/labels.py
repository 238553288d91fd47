"""What sets a cluster apart, in numbers and in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.learning.assigning import Clusters
from profiles.learning.features import READY
from profiles.learning.layout import Column, Matrix

TOLD = 5  # features that are told of a cluster
_WORDS = 3  # of them in its label, and more only where two labels were the same
_APART = 0.5  # standard deviations from everybody's mean, from which on a feature sets apart
# What is little and what is much of a feature that every model has.
_SAID = {
    "recency": ("seen lately", "not seen for long"),
    "tenure": ("new", "known for long"),
    "frequency": ("hardly active", "very active"),
}
_TIMES = {
    "night": "at night",
    "morning": "in the morning",
    "afternoon": "in the afternoon",
    "evening": "in the evening",
}


def described(
    model: Clusters, rows: Matrix, raw: Matrix, inside: NDArray[np.intp]
) -> list[dict[str, Any]]:
    """Each cluster for people, the largest first."""
    columns = model.layout.columns
    weights = np.array([each.weight for each in columns])
    apart = [_apart(rows, inside == place) / weights for place in range(len(model.clusters))]
    told = _labels([_telling(columns, each) for each in apart])
    found = []
    for place, cluster in enumerate(model.clusters):
        mine = inside == place
        size = int(mine.sum())
        features = [
            {
                "feature": called(columns[n]),
                "mean": _short(raw[mine, n].mean()) if size else None,
                "everybody": _short(raw[:, n].mean()),
                "apart": round(float(apart[place][n]), 2),
            }
            for n in np.argsort(-np.abs(apart[place]), kind="stable")[:TOLD]
        ]
        found.append(
            {
                "id": cluster.id,
                "label": told[place],
                "size": size,
                "share": round(size / len(rows), 4),
                "features": features,
            }
        )
    return sorted(found, key=lambda each: (-each["size"], each["id"]))


def called(column: Column) -> str:
    """A feature's name: `recency`, or `taste = tea` of what is shared out."""
    return column.name if column.value is None else f"{column.name} = {column.value}"


def _apart(rows: Matrix, mine: NDArray[np.bool_]) -> Matrix:
    """How far its mean is from everybody's, in standard deviations, before weights."""
    whole: Matrix = rows[mine].mean(axis=0) if mine.any() else np.zeros(rows.shape[1])
    away: Matrix = whole - rows.mean(axis=0)
    return away


def _telling(columns: Sequence[Column], apart: Matrix) -> list[str]:
    """What to say of it: of each feature one thing, first what says most and is people's own."""
    found: dict[str, tuple[float, Column]] = {}
    for column, away in zip(columns, apart.round(2).tolist(), strict=True):
        best = found.get(column.name)
        # What somebody does tells more than what they do not, which often follows from it.
        if abs(away) >= _APART and (best is None or _said_first(away) < _said_first(best[0])):
            found[column.name] = away, column
    told = sorted(found.values(), key=lambda each: (-abs(each[0]), each[1].name in READY))
    return [_words(column, much=away > 0) for away, column in told]


def _said_first(away: float) -> tuple[bool, float]:
    return away < 0, -abs(away)


def _labels(told: Sequence[Sequence[str]]) -> list[str]:
    """As short as may be without two being the same."""
    for most in range(_WORDS, max(map(len, told), default=0) + 1):
        found = [", ".join(each[:most]) or "like most" for each in told]
        if len(set(found)) == len(found):
            return found
    return [", ".join(each[:_WORDS]) or "like most" for each in told]


def _words(column: Column, *, much: bool) -> str:
    if column.value is None:
        if column.name in _SAID:
            return _SAID[column.name][much]
        return f"{'high' if much else 'low'} {column.name}"
    if column.name == "hours" and column.value in _TIMES:
        return f"{'often' if much else 'seldom'} {_TIMES[column.value]}"
    told = column.value if column.name == "events" else f"{column.value} ({column.name})"
    return f"{'more' if much else 'less'} {told}"


def _short(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")
