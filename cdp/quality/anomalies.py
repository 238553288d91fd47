"""Hours in which there was far more or far less of an event than in the hours before. Pure.

An hour's distance from the median of the event's earlier hours is measured in their spread: the
median absolute deviation times 1.4826, which is the standard deviation where they are spread
normally, but is not moved by a few hours that are out of the ordinary themselves (F. R. Hampel, The
influence curve and its role in robust estimation, 1974). Counts of what happens by chance are
spread by the root of their mean: less than that is not believed, nor less than 1. From 3.5 on it is
an anomaly (B. Iglewicz and D. Hoaglin, How to Detect and Handle Outliers, 1993).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

LEAST_HISTORY = 24  # hours
MOST_HISTORY = 168  # hours: a week
THRESHOLD = 3.5
_NORMAL = 1.4826


class Anomaly(NamedTuple):
    """An hour that is out of the ordinary."""

    kind: str  # more or fewer
    median: float
    mad: float  # median absolute deviation
    score: float  # the distance, in spreads; negative for fewer


def judge(count: int, history: Sequence[int], *, over: bool = True) -> Anomaly | None:
    """Whether a count is out of the ordinary by the counts of the hours before.

    None too while there are too few of those. An hour that is not `over` may become more.
    """
    if len(history) < LEAST_HISTORY:
        return None
    middle = median(history)
    mad = median(abs(each - middle) for each in history)
    score = (count - middle) / max(_NORMAL * mad, math.sqrt(middle), 1.0)
    if score > THRESHOLD:
        return Anomaly("more", middle, mad, score)
    if score < -THRESHOLD and over:
        return Anomaly("fewer", middle, mad, score)
    return None
