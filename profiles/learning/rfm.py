"""Recency, frequency and monetary value as scores: in which fifth of all customers somebody is.

After Hughes, *Strategic Database Marketing*: each score is from 1 to the number of equal parts,
and more is better. People who never did what counts have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.learning.features import Observation
from profiles.learning.protocol import Fitted, Lesson, Unlearnable

SCORED = ("recency", "frequency", "monetary")
LEAST = 50  # customers: fewer have no parts worth telling apart


def fit(lesson: Lesson) -> Fitted:
    """Cut customers into equal parts, by each of the three; as many as are equal stay together."""
    amounts = _amounts(lesson.observations)
    parts = lesson.definition["parts"]
    if len(amounts) < LEAST:
        raise Unlearnable(f"{len(amounts)} people allow the purpose and did it; {LEAST} are needed")
    steps = np.arange(1, parts) / parts
    cuts = {
        name: np.quantile(amounts[:, n], steps, method="lower").tolist()
        for n, name in enumerate(SCORED)
    }
    parameters = {"parts": parts, "cuts": cuts}
    return Fitted(parameters, _report(parameters, lesson.observations, amounts))


def score(parameters: Mapping[str, Any], observations: Sequence[Observation]) -> list[Any]:
    """Three digits each, as `545`: recency, frequency, monetary."""
    amounts = _amounts(observations)
    said = iter(_scores(parameters, amounts).tolist() if len(amounts) else ())
    return ["".join(map(str, next(said))) if _is_customer(each) else None for each in observations]


def _scores(parameters: Mapping[str, Any], amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whoever is at a cut is below it: of frequency 1 is the least, however many have it."""
    parts, cuts = parameters["parts"], parameters["cuts"]
    found = np.empty(amounts.shape, dtype=np.int64)
    for n, name in enumerate(SCORED):
        found[:, n] = np.searchsorted(np.array(cuts[name]), amounts[:, n], side="left") + 1
    found[:, 0] = parts + 1 - found[:, 0]  # the more lately, the better
    return found


def _amounts(observations: Sequence[Observation]) -> NDArray[np.float64]:
    """A row for each customer; who paid nothing that was told paid nothing.

    Recency is in whole days: whoever is at a limit is not beyond it a moment later.
    """
    rows = [
        [each.amounts.get(name, 0.0) for name in SCORED]
        for each in observations
        if _is_customer(each)
    ]
    amounts = np.array(rows, dtype=np.float64).reshape(-1, len(SCORED))
    amounts[:, 0] = np.floor(amounts[:, 0])
    return amounts


def _is_customer(observation: Observation) -> bool:
    return "recency" in observation.amounts and observation.amounts.get("frequency", 0) > 0


def _report(
    parameters: Mapping[str, Any],
    observations: Sequence[Observation],
    amounts: NDArray[np.float64],
) -> dict[str, Any]:
    """The limits in their own units, and of each score how many have it and their means."""
    scores, told = _scores(parameters, amounts), {}
    for n, name in enumerate(SCORED):
        told[name] = [
            {
                "score": value,
                "customers": int(mine.sum()),
                "from": float(amounts[mine, n].min()),
                "to": float(amounts[mine, n].max()),
                "mean": float(f"{amounts[mine, n].mean():.4g}"),
            }
            for value in range(parameters["parts"], 0, -1)
            if (mine := scores[:, n] == value).any()
        ]
    return {"customers": len(amounts), "others": len(observations) - len(amounts), "scores": told}
