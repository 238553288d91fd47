"""Finds clusters of people who are alike, by one of four methods, and as many as there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering, KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from profiles.learning import choosing, identities, labels, layout
from profiles.learning.assigning import Cluster, Clusters, assigned, encoded
from profiles.learning.choosing import Curve
from profiles.learning.layout import Layout, Matrix
from profiles.learning.protocol import Fitted, Lesson, Unlearnable

LEAST = 50  # people without whom nothing can be said of groups
MOST = 10  # clusters that are tried where their number is not given
SAMPLE = 2000  # people of whom every pair is compared, where a method does that
_SEED = 0
_FULL = 20  # people for each number of a covariance; with fewer, features count as independent
_SMOOTH = 1e-3  # of a variance that is measured, lest a feature that is always 0 decides alone

Labels = NDArray[np.intp]


class Found(NamedTuple):
    """Clusters by one method."""

    centres: Matrix
    weights: Matrix | None = None  # of a mixture; the others have none
    spreads: Matrix | None = None


def fit(lesson: Lesson) -> Fitted:
    """Learn the clusters that a definition asks for; one core does it, others serve people."""
    with threadpool_limits(1):
        return _learned(lesson)


def _learned(lesson: Lesson) -> Fitted:
    people = len(lesson.observations)
    if people < LEAST:
        raise Unlearnable(f"{people} people allow the purpose and did anything; {LEAST} are needed")
    shape = layout.learned(lesson.observations)
    if not shape.columns:
        raise Unlearnable("every feature is the same for nearly everybody; name others")
    rows = shape.scaled(lesson.observations)
    found, curve = _searched(rows, lesson.definition)
    model, inside = _inhabited(_model(shape, found), rows)
    stable = identities.named(model, inside, lesson)
    described = labels.described(stable.model, rows, shape.raw(lesson.observations), inside)
    report = {
        "method": lesson.definition["method"],
        "clusters": described,
        "curves": curve.shown(),
        "chosen": curve.chosen(),
        "features": [labels.called(each) for each in shape.columns],
        "stability": stable.report,
    }
    return Fitted(encoded(stable.model), report)


def _inhabited(model: Clusters, rows: Matrix) -> tuple[Clusters, Labels]:
    """Without clusters of nobody, and where everybody is."""
    inside = assigned(model, rows)
    places = np.unique(inside)
    clusters = [model.clusters[place] for place in places]
    return Clusters(model.layout, clusters, model.next), np.searchsorted(places, inside)


def _searched(rows: Matrix, definition: Mapping[str, Any]) -> tuple[Found, Curve]:
    """The number that was asked for, or the one that the silhouette says."""
    method, wanted = _METHODS[definition["method"]], definition["clusters"]
    different = len(np.unique(rows, axis=0))
    if different < 2:
        raise Unlearnable("everybody is the same; name other features")
    most = min(MOST, different - 1, len(rows) // 5)
    tried = range(2, most + 1) if wanted == "auto" else [min(wanted, different)]
    found = {number: method(rows, number) for number in tried}
    points = [choosing.point(1, rows, np.zeros(len(rows), dtype=np.intp), sample=SAMPLE)]
    for number, each in found.items():
        inside = assigned(_model(layout.Layout([]), each), rows)
        points.append(choosing.point(number, rows, inside, sample=SAMPLE))
    curve = Curve(points)
    return found[curve.best], curve


def _model(shape: Layout, found: Found) -> Clusters:
    each = [
        Cluster(
            "",
            centre.tolist(),
            1.0 if found.weights is None else float(found.weights[place]),
            None if found.spreads is None else found.spreads[place].tolist(),
        )
        for place, centre in enumerate(found.centres)
    ]
    return Clusters(shape, each, 1)


def _kmeans(rows: Matrix, number: int) -> Found:
    model = KMeans(number, n_init=5, random_state=_SEED).fit(rows)
    return Found(model.cluster_centers_)


def _minibatch(rows: Matrix, number: int) -> Found:
    model = MiniBatchKMeans(number, n_init=10, batch_size=1024, random_state=_SEED).fit(rows)
    return Found(model.cluster_centers_)


def _mixture(rows: Matrix, number: int) -> Found:
    size = rows.shape[1]
    whole = len(rows) >= _FULL * number * size * (size + 1) // 2
    kind = "full" if whole else "diag"
    model = GaussianMixture(
        number, covariance_type=kind, n_init=3, reg_covar=_SMOOTH, random_state=_SEED
    ).fit(rows)
    precise = model.precisions_cholesky_
    spreads = precise if whole else np.array([np.diag(each) for each in precise])
    return Found(model.means_, model.weights_, spreads)


def _hierarchical(rows: Matrix, number: int) -> Found:
    """Of a sample; who is not in it belongs to the nearest centre."""
    sample = choosing.drawn(rows, SAMPLE)
    inside: Labels = AgglomerativeClustering(number, linkage="ward").fit_predict(sample)
    return Found(np.array([sample[inside == each].mean(axis=0) for each in range(number)]))


_METHODS: Mapping[str, Callable[[Matrix, int], Found]] = {
    "kmeans": _kmeans,
    "minibatch": _minibatch,
    "mixture": _mixture,
    "hierarchical": _hierarchical,
}
METHODS = tuple(_METHODS)
