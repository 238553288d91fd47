"""How many clusters there are: by the silhouette and by the elbow of the inertia."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score

from profiles.learning.layout import Matrix

NEARLY = 0.9  # of the best silhouette
_SEED = 0
_LEAST = 1e-12  # of an inertia: nothing is left to be apart


class Point(NamedTuple):
    """How well so many clusters fit: silhouette, -1 to 1; inertia, the sum of squared distances.

    One cluster has no silhouette.
    """

    clusters: int
    silhouette: float | None
    inertia: float


class Curve:
    """Both curves over the numbers of clusters that were tried."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = points

    @property
    def best(self) -> int:
        """Where the elbow is, if the silhouette is nearly the best there; else where that is best.

        Of two clusters that lie near each other the silhouette likes to make one, and of whole
        numbers that repeat, many.
        """
        silhouettes = {number: s for number, s, _ in self._points if s is not None}
        highest = self.silhouette
        nearly = silhouettes.get(self.elbow, -1.0) >= NEARLY * silhouettes[highest]
        return self.elbow if nearly else highest

    @property
    def silhouette(self) -> int:
        """The number with the best silhouette; of as good ones the smallest."""
        known = [(s, -number) for number, s, _ in self._points if s is not None]
        return -max(known)[1]

    @property
    def elbow(self) -> int:
        """Where the inertia stops falling: where its logarithm bends most.

        In proportions, for another cluster always takes away more of much than of little.
        """
        heights = np.log(np.maximum([each.inertia for each in self._points], _LEAST))
        if len(heights) < 3:
            return self._points[-1].clusters
        return self._points[int(np.argmax(np.diff(heights, 2).round(9))) + 1].clusters

    def chosen(self) -> dict[str, int]:
        """What is taken, and what either says."""
        return {"clusters": self.best, "silhouette": self.silhouette, "elbow": self.elbow}

    def shown(self) -> list[dict[str, Any]]:
        """Both, for people."""
        return [
            {
                "clusters": each.clusters,
                "silhouette": None if each.silhouette is None else round(each.silhouette, 4),
                "inertia": round(each.inertia, 2),
            }
            for each in self._points
        ]


def point(number: int, rows: Matrix, inside: NDArray[np.intp], *, sample: int) -> Point:
    """How well these clusters fit; the silhouette is that of a sample."""
    if number == 1:
        return Point(1, None, float(((rows - rows.mean(axis=0)) ** 2).sum()))
    centres = {each: rows[inside == each].mean(axis=0) for each in np.unique(inside)}
    inertia = sum(float(((rows[inside == n] - c) ** 2).sum()) for n, c in centres.items())
    some = drawn(np.arange(len(rows)), sample)
    apart = 1 < len(np.unique(inside[some])) < len(some)
    silhouette = float(silhouette_score(rows[some], inside[some])) if apart else -1.0
    return Point(number, silhouette, inertia)


def drawn(rows: NDArray[Any], size: int) -> NDArray[Any]:
    """A sample without replacement, the same each time; all of them if there are no more."""
    if len(rows) <= size:
        return rows
    places = np.random.default_rng(_SEED).choice(len(rows), size, replace=False)
    return rows[np.sort(places)]
