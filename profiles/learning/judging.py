"""What a propensity makes of people: a probability each, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from profiles.learning.boosted import Boosted, Numbers
from profiles.learning.features import Observation
from profiles.learning.hindsight import RECENCY
from profiles.learning.layout import Column
from profiles.learning.reasons import reasons
from profiles.learning.shapes import Shape

_CLOSE = 0.1  # to 0 or 1: from there on a thousandth is told, else a hundredth


class Parameters(msgspec.Struct, frozen=True):
    """A model, and what it was like when it was fitted.

    `usual` are the medians of the columns, None where nobody has one. `reference` is the AUC that
    it should have: that at the fit, or what was lost before and is not back yet. `gone` is after
    how many days without a deed nothing is asked any more, None where it always is.
    """

    columns: list[Column]
    model: Boosted
    usual: list[float | None]
    shapes: list[Shape]
    reference: float
    as_of: int  # by when everything that it was made of had come out
    gone: float | None


def encoded(parameters: Parameters) -> dict[str, Any]:
    """As parameters are stored."""
    plain: dict[str, Any] = msgspec.to_builtins(parameters)
    return plain


def decoded(parameters: Mapping[str, Any]) -> Parameters:
    """Out of stored parameters."""
    return msgspec.convert(parameters, Parameters)


def rows(columns: Sequence[Column], observations: Sequence[Observation]) -> Numbers:
    """A row for each; what is not known is not a number, of what is spread what is missing is 0."""
    found = [[_of(each, column) for column in columns] for each in observations]
    return np.array(found, dtype=np.float64).reshape(len(observations), len(columns))


def score(parameters: Mapping[str, Any], observations: Sequence[Observation]) -> list[Any]:
    """A probability for each; None of those of whom it is not asked."""
    known = decoded(parameters)
    scores = known.model.score(rows(known.columns, observations))
    return [
        _rounded(float(found)) if _is_asked(known, each) else None
        for found, each in zip(scores, observations, strict=True)
    ]


def explain(parameters: Mapping[str, Any], observation: Observation) -> list[dict[str, Any]]:
    """What moves somebody's probability most; nothing of those of whom it is not asked."""
    known = decoded(parameters)
    typical = np.array([np.nan if each is None else each for each in known.usual])
    (found,) = reasons(known.model, rows(known.columns, [observation]), typical, most=5)
    return [each.shown() for each in found] if _is_asked(known, observation) else []


def _of(observation: Observation, column: Column) -> float:
    if column.value is None:
        return observation.amounts.get(column.name, np.nan)
    return observation.shares.get(column.name, {}).get(column.value, 0.0)


def _is_asked(known: Parameters, each: Observation) -> bool:
    return known.gone is None or each.amounts.get(RECENCY, np.inf) < known.gone


def _rounded(found: float) -> float:
    return round(found, 3 if min(found, 1 - found) < _CLOSE else 2)
