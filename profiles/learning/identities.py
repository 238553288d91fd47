"""Gives the clusters of a new fit the ids of those of the last one that hold the same people."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from profiles.learning.assigning import Clusters, assigned, decoded
from profiles.learning.layout import Matrix
from profiles.learning.protocol import Lesson

SAME = 0.2  # of the people of either that are in both; with fewer it is another cluster


class Named(NamedTuple):
    """A model whose clusters have ids, and what became of those there were."""

    model: Clusters
    report: dict[str, Any]


def named(model: Clusters, inside: NDArray[np.intp], lesson: Lesson) -> Named:
    """Number the clusters by their size, or as the last fit did.

    The last fit is asked where it would put the people of this one. Pairs of clusters are chosen so
    that both have as many people in common, and their centres as near, as can be (Kuhn 1955).
    """
    new = range(len(model.clusters))
    kept: dict[int, str] = {}
    number, report = 1, {}
    if lesson.before is not None:
        old = decoded(lesson.before)
        rows = old.layout.scaled(lesson.observations)
        there = assigned(old, rows)
        kept = _matched(inside, there, rows, old)
        number = old.next
        report = {
            "agreement": round(float(adjusted_rand_score(there, inside)), 4),
            "kept": sorted(kept.values()),
            "gone": sorted({each.id for each in old.clusters} - set(kept.values())),
        }
    sizes = np.bincount(inside, minlength=len(new))
    ids = dict(kept)
    for place in sorted(set(new) - kept.keys(), key=lambda each: (-sizes[each], each)):
        ids[place] = f"c{number}"
        number += 1
    report["new"] = sorted(ids[place] for place in ids.keys() - kept.keys())
    clusters = [msgspec.structs.replace(each, id=ids[n]) for n, each in enumerate(model.clusters)]
    return Named(Clusters(model.layout, clusters, number), report)


def _matched(
    inside: NDArray[np.intp], there: NDArray[np.intp], rows: Matrix, old: Clusters
) -> dict[int, str]:
    both = np.zeros((int(inside.max()) + 1, len(old.clusters)))
    np.add.at(both, (inside, there), 1)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    alike: Matrix = both / np.maximum(either, 1)
    near = 1 / (1 + _distances(inside, rows, old))
    places = zip(*linear_sum_assignment(alike * near, maximize=True), strict=True)
    return {int(n): old.clusters[o].id for n, o in places if alike[n, o] >= SAME}


def _distances(inside: NDArray[np.intp], rows: Matrix, old: Clusters) -> Matrix:
    """From the middle of each new cluster to each old centre, on the old scale."""
    places = range(int(inside.max()) + 1)
    middles = np.array([rows[inside == each].mean(axis=0) for each in places])
    centres = np.array([each.centre for each in old.clusters])
    away: Matrix = np.linalg.norm(middles[:, None, :] - centres[None, :, :], axis=2)
    return away
