"""What a process exposes, as numbers by sample: before and after something happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from cdp import metrics


def of_text(text: str) -> dict[str, float]:
    """`cdp_lag{topic="events"}` and the like; labels in the order of their names."""
    return {
        _named(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(registry: CollectorRegistry) -> dict[str, float]:
    """What a registry has now."""
    return {
        _named(sample.name, sample.labels): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


@contextmanager
def changes(process: str) -> Iterator[Counter[str]]:
    """By how much samples of this process, which is this one here, rise in the block."""
    registry = metrics.registry(process)
    before, risen = of(registry), Counter[str]()
    yield risen
    for name, value in of(registry).items():
        if value != before.get(name, 0.0) and name.startswith("cdp_"):
            risen[name] = value - before.get(name, 0.0)  # type: ignore[assignment]


def _named(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels))
    return f"{name}{{{inside}}}" if inside else name
