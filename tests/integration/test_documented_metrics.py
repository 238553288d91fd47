"""The page's table of metrics is what the processes really expose: names, kinds, labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from cdp import metrics
from tests.conftest import Api
from tests.support.exposed import PROCESSES, documented, families


async def test_the_table_is_what_there_is(api: Api) -> None:
    await api.settle()
    texts = {process: _text(metrics.registry(process)) for process in PROCESSES}
    texts["api"] = (await api.client.get("/metrics")).text
    exposed = {(p, name, kind) for p in PROCESSES for name, kind in families(texts[p]).items()}
    told = {(process, row.name, row.kind) for row in documented() for process in row.processes}
    assert exposed == told
    assert len(told) > 30


def test_labels_are_as_the_table_says() -> None:
    told = {row.name: row.labels for row in documented()}
    for metric in (each for of_process in metrics.OF_PROCESS.values() for each in of_process):
        labels = getattr(metric, "_labelnames", None) or (getattr(metric, "_label", None),)
        (family,) = metric.collect()
        assert frozenset(filter(None, labels)) == told[family.name], family.name


def _text(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()
