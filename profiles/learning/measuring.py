"""How good scores are against what came of them: each figure with its 95 % interval."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest, rankdata

from profiles.learning.boosted import Numbers
from profiles.learning.examples import Labels

_Z = 1.959964  # 97.5 % of a normal distribution lie below
_DRAWS = 2000
_BINS = 10


class Interval(NamedTuple):
    """A figure, and between which bounds it lies with 95 % probability."""

    value: float
    low: float
    high: float

    def rounded(self) -> dict[str, float]:
        """As it is shown."""
        return {name: round(float(each), 4) for name, each in self._asdict().items()}


class Bin(NamedTuple):
    """People with alike scores: how many, what was expected of them and what came of it."""

    people: int
    expected: float
    came: float


class Measures(NamedTuple):
    """Of a threshold where it depends on one: whoever reaches it is expected to do it."""

    people: int
    share: Interval  # of those who did it
    auc: Interval
    precision: Interval
    recall: Interval
    f1: Interval
    brier: Interval
    threshold: float
    calibration_error: float  # how far expected and came are apart, on average of all people
    calibration: list[Bin]

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = {"people": self.people, "threshold": round(self.threshold, 4)}
        for name in ("share", "auc", "precision", "recall", "f1", "brier"):
            found[name] = getattr(self, name).rounded()
        bins = [
            (each.people, round(each.expected, 4), round(each.came, 4)) for each in self.calibration
        ]
        return found | {
            "calibration_error": round(self.calibration_error, 4),
            "calibration": [dict(zip(Bin._fields, each, strict=True)) for each in bins],
        }


def measure(labels: Labels, scores: Numbers, threshold: float) -> Measures:
    """All figures; there must be somebody of each kind."""
    reached = scores >= threshold
    right = int((reached & labels).sum())
    bins = calibration(labels, scores)
    return Measures(
        people=len(labels),
        share=_proportion(int(labels.sum()), len(labels)),
        auc=auc(labels, scores),
        precision=_proportion(right, int(reached.sum())),
        recall=_proportion(right, int(labels.sum())),
        f1=_f1(labels, reached),
        brier=_mean((scores - labels) ** 2),
        threshold=threshold,
        calibration_error=sum(b.people * abs(b.expected - b.came) for b in bins) / len(labels),
        calibration=bins,
    )


def auc(labels: Labels, scores: Numbers) -> Interval:
    """The probability that one who did it has the higher score of two, one of each kind.

    Its variance after DeLong, DeLong and Clarke-Pearson (1988), by ranks as Sun and Xu (2014) do;
    the interval is made on the scale of log odds, so that it stays below 1.
    """
    did, did_not = scores[labels], scores[~labels]
    many, few = len(did), len(did_not)
    every = rankdata(np.concatenate([did, did_not]))
    above = (every[:many] - rankdata(did)) / few  # of each who did, the share that is below
    below = 1 - (every[many:] - rankdata(did_not)) / many
    found = float(above.mean())
    variance = float(above.var(ddof=1) / many + below.var(ddof=1) / few)
    if not 0 < found < 1:
        # None is out of order: the rule of three for the smaller kind.
        bound = 3 / min(many, few)
        return Interval(found, max(0.0, found - bound), min(1.0, found + bound))
    odds = np.log(found / (1 - found))
    spread = _Z * np.sqrt(variance) / (found * (1 - found))
    low, high = (1 / (1 + np.exp(-each)) for each in (odds - spread, odds + spread))
    return Interval(found, float(low), float(high))


def calibration(labels: Labels, scores: Numbers) -> list[Bin]:
    """Tenths of the people, by score: with the same score, in the same bin."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _BINS + 1)[1:-1]))
    number = np.digitize(scores, edges)
    return [
        Bin(int(mine.sum()), float(scores[mine].mean()), float(labels[mine].mean()))
        for mine in (number == each for each in range(len(edges) + 1))
        if mine.any()
    ]


def _proportion(some: int, of: int) -> Interval:
    """The interval of Wilson (1927); of nobody, nothing is known."""
    if not of:
        return Interval(0.0, 0.0, 1.0)
    bounds = binomtest(some, of).proportion_ci(method="wilson")
    return Interval(some / of, float(bounds.low), float(bounds.high))


def _f1(labels: Labels, reached: Labels) -> Interval:
    """By drawing as many people again; only how many are right and wrong in which way matters."""
    right, wrong = int((labels & reached).sum()), int((labels ^ reached).sum())
    total = len(labels)
    shares = np.array([right, wrong, total - right - wrong]) / total
    drawn = np.random.default_rng(0).multinomial(total, shares, _DRAWS)
    below = np.maximum(2 * drawn[:, 0] + drawn[:, 1], 1)
    low, high = np.quantile(2 * drawn[:, 0] / below, (0.025, 0.975))
    return Interval(2 * right / max(2 * right + wrong, 1), float(low), float(high))


def _mean(values: Numbers) -> Interval:
    spread = _Z * float(values.std(ddof=1)) / np.sqrt(len(values))
    found = float(values.mean())
    return Interval(found, max(0.0, found - spread), found + spread)
