"""Says which cluster a person belongs to: the nearest, or of a mixture the likeliest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from profiles.learning.features import Observation
from profiles.learning.layout import Layout, Matrix


class Cluster(msgspec.Struct, frozen=True):
    """A cluster: its id, its centre, and of a mixture its share of the people and its spread.

    `spread` is the Cholesky factor of the inverse covariance.
    """

    id: str
    centre: list[float]
    weight: float = 1.0
    spread: list[list[float]] | None = None


class Clusters(msgspec.Struct, frozen=True):
    """Parameters of a model; `next` is the number of the next cluster that is a new one."""

    layout: Layout
    clusters: list[Cluster]
    next: int


def encoded(model: Clusters) -> dict[str, Any]:
    """As parameters are stored."""
    plain: dict[str, Any] = msgspec.to_builtins(model)
    return plain


def decoded(parameters: Mapping[str, Any]) -> Clusters:
    """Out of stored parameters."""
    return msgspec.convert(parameters, Clusters)


def score(parameters: Mapping[str, Any], observations: Sequence[Observation]) -> list[Any]:
    """The id of the cluster of each."""
    model = decoded(parameters)
    inside = assigned(model, model.layout.scaled(observations))
    return [model.clusters[place].id for place in inside]


def assigned(model: Clusters, rows: Matrix) -> NDArray[np.intp]:
    """The place of the cluster of each scaled row; of as near ones the first."""
    if not len(rows):
        return np.zeros(0, dtype=np.intp)
    away = [_distance(each, rows) for each in model.clusters]
    nearest: NDArray[np.intp] = np.argmin(away, axis=0)
    return nearest


def _distance(cluster: Cluster, rows: Matrix) -> Matrix:
    """Squared; for a mixture minus twice the logarithm of the density, without what all share."""
    away = rows - np.array(cluster.centre)
    if cluster.spread is None:
        near: Matrix = np.einsum("ij,ij->i", away, away)
        return near
    spread = np.array(cluster.spread)
    away = away @ spread
    shape = 2 * np.log(np.diagonal(spread)).sum() + 2 * np.log(max(cluster.weight, 1e-300))
    likely: Matrix = np.einsum("ij,ij->i", away, away) - shape
    return likely
