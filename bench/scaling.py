"""Over either carrier with 1, 2 and 4 workers: rates, latency, and what an event costs.

What it gives is what `bench/capacity.py` reckons with; `docs/scaling.md` says what comes of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from bench import figures
from bench.measure import Figure, database, services
from tests.support import kafka_jars
from tests.support.clusters import plain_url
from tests.support.kafka import Kafka
from tests.support.platform import Platform, running

EVENTS, RATE, SECONDS = 40_000, 1_000, 10
WORKERS = (1, 2, 4)
READ = 500  # profiles that are read, so that their views are kept

_PARTS = {
    "log": ("events",),
    "keys": ("subjects",),
    "identity": ("nodes", "edges", "identity_history"),
    "fragments": ("fragments",),
    "profiles": ("profiles", "memberships", "changes"),
}
_SIZES = """
    select relname, pg_total_relation_size(oid) from pg_class
     where relnamespace = 'public'::regnamespace and relkind = 'r'
"""


def scaling() -> list[Figure]:
    """One figure for each carrier and number of workers."""
    made: list[Figure] = []
    try:
        jars = kafka_jars.jars()
    except pytest.skip.Exception as reason:
        print(f"no Kafka here: {reason}")
        jars = None
    for carrier in ("postgres", "kafka") if jars else ("postgres",):
        for workers in WORKERS:
            with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
                broker = (
                    stack.enter_context(_kafka(Path(home), jars)) if carrier == "kafka" else None
                )
                settings = {"CDP_WORKERS": str(workers)}
                if broker is not None:
                    settings["CDP_KAFKA_URL"] = plain_url(broker)
                platform = stack.enter_context(running(Path(home), **settings))
                made.append(_measured(platform, broker, carrier, workers))
    return made


@contextmanager
def _kafka(home: Path, jars: Path) -> Iterator[Kafka]:
    broker = Kafka(home, jars)
    try:
        yield broker.start()
    finally:
        broker.close()


def _measured(platform: Platform, broker: Kafka | None, carrier: str, workers: int) -> Figure:
    figures.define_segments(platform)
    figures.fill(platform, EVENTS // 4)  # plans and caches are warm
    before, known = _stored(platform, broker), _people(platform)
    used = _cpu(broker)
    sustained = figures.sustained(platform, EVENTS)
    spent = sustained.notes["cpu us/event"]
    if broker is not None:
        spent["kafka"] = round((_cpu(broker) - used) / EVENTS * 1e6, 1)
    stored = {
        name: round((size - before[name]) / EVENTS, 1)
        for name, size in _stored(platform, broker).items()
    }
    people = _people(platform) - known
    shown = figures.latency(platform, RATE, SECONDS)
    return Figure(
        f"end to end over {carrier}, {workers} workers",
        sustained.value,
        "events/s",
        "as measured",
        True,
        f"p99 at {RATE:,} events/s: {shown.value:,.0f} ms",
        notes={
            "carrier": carrier,
            "workers": workers,
            "events": EVENTS,
            "p50 ms": shown.notes["p50 ms"],
            "p99 ms": round(shown.value),
            "ingested at": sustained.notes["ingested at"],
            "cpu us/event": spent,
            "bytes/event": stored,
            "people": people,
            "cache bytes/profile": _cached(platform),
        },
    )


def _cpu(broker: Kafka | None) -> float:
    if broker is None or broker.pid is None:
        return 0.0
    times = psutil.Process(broker.pid).cpu_times()
    return float(times.user + times.system)


def _stored(platform: Platform, broker: Kafka | None) -> dict[str, float]:
    """Bytes on disk by what they are for; `wal` is what PostgreSQL has written ahead so far."""
    with database(platform) as connection:
        connection.execute("vacuum")
        sizes = dict(connection.execute(_SIZES).fetchall())
        ((wal,),) = connection.execute("select pg_current_wal_lsn() - '0/0'").fetchall()
    made = {part: float(sum(sizes.pop(t, 0) for t in names)) for part, names in _PARTS.items()}
    made["other"] = float(sum(sizes.values()))
    made["wal"] = float(wal)
    made["kafka"] = 0.0
    if broker is not None:
        logs = (broker.home / "data").glob(
            "[!_]*/*.log"
        )  # topics that begin with _ are Kafka's own
        made["kafka"] = float(sum(log.stat().st_size for log in logs))
    return made


def _people(platform: Platform) -> int:
    with database(platform) as connection:
        ((count,),) = connection.execute("select count(*) from profiles").fetchall()
    return int(count)


def _cached(platform: Platform) -> int:
    """What a profile that was read takes of Valkey's memory, in bytes."""
    client: Any = redis.Redis.from_url(services(platform)["redis"])
    client.flushall()
    before = client.info("memory")["used_memory"]
    with database(platform) as connection:
        rows = connection.execute("select id from profiles limit %s", (READ,)).fetchall()
    for (profile,) in rows:
        platform.call("GET", f"/profiles/{profile.hex()}")
    grown = client.info("memory")["used_memory"] - before
    return round(grown / max(1, client.dbsize()))
