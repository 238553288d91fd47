"""Whether a model still holds: its AUC on what has come out since, and which features moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from profiles.learning.boosted import Numbers
from profiles.learning.examples import LEAST, Labels
from profiles.learning.measuring import Interval, auc
from profiles.learning.shapes import Shape, stability

DROP = 0.1  # of the AUC at the fit: with more than that lost, the model is fitted again
MOVED = 0.25  # a population stability index from which on a feature is said to have moved

Verdict: TypeAlias = Literal["holds", "dropped", "too few"]


class Drift(NamedTuple):
    """What came of a model since its fit; `moved` are features and how far, the farthest first."""

    verdict: Verdict
    people: int
    auc: Interval | None
    drop: float | None  # the share of the AUC at the fit that is lost
    moved: list[tuple[str, float]]

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "verdict": self.verdict,
            "people": self.people,
            "auc": self.auc and self.auc.rounded(),
            "drop": None if self.drop is None else round(self.drop, 4),
            "moved": [{"feature": name, "stability": round(far, 4)} for name, far in self.moved],
        }


def watch(
    labels: Labels, scores: Numbers, then: float, values: Numbers, before: Sequence[Shape]
) -> Drift:
    """Of labels that have come out since the fit; `then` is the AUC that it should have.

    There is one of `before` for each column, in order.
    """
    far = [(each.feature, stability(each, values[:, n])) for n, each in enumerate(before)]
    moved = sorted((each for each in far if each[1] >= MOVED), key=lambda each: (-each[1], each[0]))
    yes = int(labels.sum())
    if min(yes, len(labels) - yes) < LEAST:
        return Drift("too few", len(labels), None, None, moved)
    now = auc(labels, scores)
    drop = (then - now.value) / then
    return Drift("dropped" if drop > DROP else "holds", len(labels), now, drop, moved)
