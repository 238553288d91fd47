"""People made up, of whom the truth is known: how probable each is to do it, and by what."""

from __future__ import annotations

import numpy as np

from profiles.learning.boosted import Numbers
from profiles.learning.examples import Examples

NAMES = ("orders", "recency", "noise", "rest")
HORIZON = 10


def people(seed: int, count: int, instants: int = 3, base: float = 0.0) -> tuple[Examples, Numbers]:
    """Examples in equal parts as of 0, 10, 20 …, and the true probability of each.

    Orders raise it and recency lowers it, above 1 no more; noise and the rest have nothing to do
    with it. Of a tenth, recency is not known: they are as one of recency 1 or more.
    """
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, len(NAMES)))
    odds = base + 1.5 * values[:, 0] - 1.2 * np.minimum(values[:, 1], 1)
    unknown = rng.random(count) < 0.1
    odds[unknown] = base + 1.5 * values[unknown, 0] - 1.2
    values[unknown, 1] = np.nan
    truth = 1 / (1 + np.exp(-odds))
    labels = rng.random(count) < truth
    at = (np.arange(count) % instants) * HORIZON
    return Examples(NAMES, values, labels, at.astype(np.int64)), truth
