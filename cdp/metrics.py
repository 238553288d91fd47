"""Every number that a process counts of itself, by name; Prometheus asks for them.

Labels have few values, all of them ours or an operator's: never a person's, nor an event's name.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from cdp import __version__
from cdp.ages import Ages
from cdp.events import TOPICS, Instant
from cdp.origins import Origin

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CHUNK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_JOB = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0)
_FRESH = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_OLD = (0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0, 21_600.0, 86_400.0, 604_800.0)
_SIZE = (1, 3, 10, 30, 100, 300, 1000, 2000, 5000)

OUTCOMES = ("stored", "known", "quarantined", "uncollected", "suppressed")


def _counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(f"cdp_{name}", about, labels, registry=None)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(f"cdp_{name}", about, labels, registry=None)


def _histogram(name: str, about: str, buckets: Sequence[float], *labels: str) -> Histogram:
    return Histogram(f"cdp_{name}", about, labels, buckets=buckets, registry=None)


requests = _counter("requests", "Requests answered", "method", "route", "status")
request_seconds = _histogram("request_seconds", "From a request to its answer", _QUICK, "route")
collected = _counter("collected", "What became of messages that were sent", "outcome")
commit_entries = _histogram("commit_entries", "Entries that were committed together", _SIZE)
commit_seconds = _histogram("commit_seconds", "From a group's first try to its commit", _QUICK)
commit_retries = _counter("commit_retries", "Commits that were tried again")
pending = _gauge("pending", "Entries that await their commit")
spilled = _counter("spilled", "Entries that were kept on the local disk while the store was away")
violating = _counter("violating", "Events that broke their tracking plan", "source", "outcome")
late = _counter("late", "Events received over an hour after they happened", "source")
duplicates = _counter("duplicates", "Events that were in the log before", "source")
over_rate = _counter("over_rate", "Requests that were refused because of a rate", "rate")
rates_shared = _gauge("rates_shared", "1 while rates are shared with other processes")
spill_bytes = _gauge("spill_bytes", "What waits on the local disk for the store")

chunk_records = _histogram("chunk_records", "Records in a chunk", _SIZE, "topic")
chunk_seconds = _histogram("chunk_seconds", "How long a chunk took", _CHUNK, "topic")
chunk_retries = _counter("chunk_retries", "Chunks that were tried again", "topic")
chunk_parked = _counter("chunk_parked", "Records parked with their error", "topic")
latency = Ages(
    "cdp_latency_seconds", "From an event's receipt until this was durable", _FRESH, "topic"
)
event_age = Ages(
    "cdp_event_age_seconds", "From when it happened until this was durable", _OLD, "topic"
)
partitions = _gauge("partitions", "Partitions that this worker has", "topic")
in_flight = _gauge("in_flight_chunks", "Chunks fetched and not handled yet", "topic")
attempts = _counter(
    "delivery_attempts", "Tries to deliver, and what came of them", "destination", "outcome"
)
sends_under_way = _gauge("sends_under_way", "Tries to deliver that are claimed", "destination")
circuit_open = _gauge("circuit_open", "1 while a destination is left alone", "destination")
put_off = _counter("deliveries_put_off", "Deliveries that found no room", "destination", "reason")
attempt_seconds = _histogram("delivery_seconds", "How long a destination took to answer", _CHUNK)

job_seconds = _histogram("job_seconds", "How long a job took", _JOB, "job")
job_failures = _counter("job_failures", "Jobs that did not come to their end", "job")
synced = _counter(
    "synced", "Deliveries that a first load or a sync has requested", "destination", "change"
)
expired = _counter("expired", "Events taken out of the log because they were too old")
model_fits = _counter("model_fits", "Times a model was to be fitted", "model", "outcome")
model_auc = _gauge("model_auc", "AUC of a propensity on what came out last", "model")
model_auc_drop = _gauge("model_auc_drop", "Share of the AUC at the fit that is lost", "model")
leader = _gauge("leader", "1 while this process is the one that leads", "role")

relay_published = _counter("relay_published", "Records put on Kafka", "topic")
relay_lag = _gauge("relay_lag", "Records that are not on Kafka yet", "topic")
relay_failures = _counter("relay_failures", "Rounds that the database or Kafka broke off")

# What counts from nothing is there from the start: else its first step would not be seen.
for _topic in TOPICS:
    for _counted in (chunk_retries, chunk_parked, relay_published):
        _counted.labels(_topic)
for _outcome in OUTCOMES:
    collected.labels(_outcome)

_MODELS = (model_fits, model_auc, model_auc_drop)
_COMMITS = (commit_entries, commit_seconds, commit_retries, pending, spilled, spill_bytes)
_QUALITY = (violating, late, duplicates)
_API = (requests, request_seconds, collected, over_rate, rates_shared, *_QUALITY, *_COMMITS)
_CHUNKS = (chunk_records, chunk_seconds, chunk_retries, chunk_parked, latency, event_age)
_LANES = (attempts, attempt_seconds, sends_under_way, circuit_open, put_off)
_WORKER = (*_CHUNKS, partitions, in_flight, *_LANES)
OF_PROCESS: Final[dict[str, tuple[Collector, ...]]] = {
    "api": _API,
    "worker": _WORKER,
    "scheduler": (job_seconds, job_failures, expired, synced, leader, *_MODELS),
    "relay": (relay_published, relay_lag, relay_failures, leader),
}


def registry(process: str) -> CollectorRegistry:
    """What a process of this kind exposes."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # twice as much text for no use
    found = CollectorRegistry()
    build = Gauge("cdp_build_info", "Which version runs", ["version", "process"], registry=found)
    build.labels(__version__, process).set(1)
    ProcessCollector(registry=found)
    for metric in OF_PROCESS[process]:
        found.register(metric)
    return found


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe how long the block took, however it ended."""
    started = time.perf_counter()
    try:
        yield
    finally:
        histogram.observe(time.perf_counter() - started)


def became(*counts: int) -> None:
    """What became of messages that were committed together, in the order of OUTCOMES."""
    for outcome, count in zip(OUTCOMES, counts, strict=True):
        collected.labels(outcome).inc(count)


def durable(topic: str, origins: Collection[Origin], now: Instant) -> None:
    """What goes back to these events has become durable."""
    latency.observe(topic, (origin.received_at for origin in origins), now)
    event_age.observe(topic, (origin.at for origin in origins), now)
