"""A histogram of how old things are, that takes a chunk of them at once.

Observing one by one costs almost a microsecond each, for every event at every step. Sorted, a
chunk is counted with one search a bucket.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from cdp.events import Instant
from cdp.times import SECOND


class _Counts(NamedTuple):
    """Never changed but replaced: who collects, in another thread, sees all of it or nothing."""

    within: tuple[int, ...]  # each bucket's bound, and the smaller ones'
    size: int
    seconds: float


class Ages(Collector):
    """By one label; `bounds` are seconds, and rise."""

    def __init__(self, name: str, about: str, bounds: Sequence[float], label: str) -> None:
        self.name = name
        self._about = about
        self._bounds = bounds
        self._label = label
        self._counts: dict[str, _Counts] = {}

    def observe(self, label: str, instants: Iterable[Instant], now: Instant) -> None:
        """How old each of these is now; what is from the future, by another clock, is new."""
        ordered = sorted(instants)
        if not ordered:
            return
        before = self._counts.get(label, _Counts((0,) * len(self._bounds), 0, 0.0))
        size = len(ordered)
        within = (size - bisect_left(ordered, now - bound * SECOND) for bound in self._bounds)
        self._counts[label] = _Counts(
            tuple(map(int.__add__, before.within, within)),
            before.size + size,
            before.seconds + max(0, size * now - sum(ordered)) / SECOND,
        )

    def collect(self) -> Iterable[Metric]:
        """As Prometheus wants it."""
        family = HistogramMetricFamily(self.name, self._about, labels=[self._label])
        for label, counts in list(self._counts.items()):
            bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
            buckets = list(zip(bounds, (*counts.within, counts.size), strict=True))
            family.add_metric([label], buckets, counts.seconds)
        return [family]
