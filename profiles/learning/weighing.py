"""What a model's order of people rests on: how much of it each feature carries.

It says what the model uses, not what causes. Features that say the same share what they weigh.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from profiles.learning.boosted import Boosted
from profiles.learning.examples import Examples
from profiles.learning.measuring import Interval, auc

_REPEATS = 5
_MOST = 5_000  # rows that are shuffled: more tell no more
_SPREAD = 2.0  # standard deviations of the repeats


class Weight(NamedTuple):
    """How much of the AUC is lost when a feature's values are dealt out to other people."""

    feature: str
    loss: Interval

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"feature": self.feature, "loss": self.loss.rounded()}


def weights(model: Boosted, examples: Examples, *, seed: int = 0) -> list[Weight]:
    """The features, the weightiest first: by permutation (Breiman, "Random Forests", 2001)."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(examples.labels))[:_MOST]
    values, labels = examples.values[rows], examples.labels[rows]
    whole = auc(labels, model.score(values)).value
    found = []
    for column, name in enumerate(examples.names):
        lost = []
        for _ in range(_REPEATS):
            shuffled = values.copy()
            rng.shuffle(shuffled[:, column])
            lost.append(whole - auc(labels, model.score(shuffled)).value)
        mean, spread = float(np.mean(lost)), _SPREAD * float(np.std(lost, ddof=1))
        found.append(Weight(name, Interval(mean, mean - spread, mean + spread)))
    return sorted(found, key=lambda each: (-each.loss.value, each.feature))
