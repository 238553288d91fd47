"""What Kafka costs the agents: one worker through a backlog, over either carrier, turn by turn."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from bench.figures import SEGMENTS
from bench.measure import Figure
from bench.shop import batches
from cdp.services.server import die_with_parent
from tests.support import kafka_jars
from tests.support.clusters import plain_url
from tests.support.instances import api_on, instance_on
from tests.support.kafka import Kafka
from tests.support.stores import MASTER_KEY, Stores, started

EVENTS, BATCH, PEOPLE, TURNS = 40_000, 100, 20_000, 3
_LAG = """
    select coalesce(sum(h.next_offset - c.next_offset), 0), coalesce(sum(c.next_offset), 0)
      from heads h join checkpoints c using (topic, partition)
"""
_BEHIND = """
    select count(*) from heads h left join published p using (topic, partition)
     where h.next_offset > coalesce(p.next_offset, 0) and h.topic = 'events'
"""


def carriers() -> list[Figure]:
    """Events per second through the first two agents, from Kafka and from our own tables."""
    try:
        jars = kafka_jars.jars()
    except pytest.skip.Exception as reason:
        print(f"no Kafka here: {reason}")
        return []
    with tempfile.TemporaryDirectory() as home:
        broker = Kafka(Path(home), jars)
        with started(Path(home)) as stores:
            try:
                broker.start()
                turns = [_turn(stores, broker, Path(home)) for _ in range(TURNS)]
            finally:
                broker.close()
    ours, theirs = (statistics.median(turn[at] for turn in turns) for at in (0, 1))
    share = statistics.median(turn[1] / turn[0] for turn in turns)
    return [
        Figure(
            "one worker through a backlog, over Kafka",
            theirs,
            "events/s",
            "≥ 80 % of our own tables",
            share >= 0.8,
            f"our own tables: {ours:,.0f}",
            share,
            {"turn by turn": [[round(each) for each in turn] for turn in turns]},
        )
    ]


def _turn(stores: Stores, broker: Kafka, home: Path) -> tuple[float, float]:
    return _drained(stores, home, {}), _drained(stores, home, {"CDP_KAFKA_URL": plain_url(broker)})


def _drained(stores: Stores, home: Path, settings: dict[str, str]) -> float:
    """Events per second, from the first that is handled to the last."""
    running = stores.fresh()
    data = Path(tempfile.mkdtemp(dir=home))
    environment = os.environ | running.environment() | settings
    environment |= {"CDP_MASTER_KEY": MASTER_KEY, "CDP_DATA_DIR": str(data)}
    environment["CDP_JURISDICTION"] = "CA"

    async def fill() -> None:
        async with instance_on(running, data) as instance, api_on(instance) as api:
            for key, where in SEGMENTS.items():
                await api.put(f"/segments/{key}", {"name": key, "where": where})
            await api.settle()
            for body in itertools.islice(batches(PEOPLE, BATCH), EVENTS // BATCH):
                headers = {"x-write-key": instance.keys["write_key"]}
                answer = await api.client.post("/v1/batch", content=body, headers=headers)
                assert answer.status_code == 200, answer.text

    asyncio.run(fill())
    with psycopg.connect(running.database_url, autocommit=True) as connection:
        if not settings:
            with _process("worker", environment):
                return EVENTS / _seconds(connection)
        with _process("relay", environment):
            _until(lambda: _one(connection, _BEHIND)[0] == 0)
            with _process("worker", environment):
                return EVENTS / _seconds(connection)


def _seconds(connection: psycopg.Connection[tuple[int, ...]]) -> float:
    before = _one(connection, _LAG)[1]
    _until(lambda: _one(connection, _LAG)[1] > before)
    begun = time.perf_counter()
    _until(lambda: _one(connection, _LAG)[0] == 0)
    return time.perf_counter() - begun


def _one(connection: psycopg.Connection[tuple[int, ...]], sql: LiteralString) -> tuple[int, ...]:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError("the worker has not caught up")
        time.sleep(0.01)


@contextmanager
def _process(command: str, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cdp", command],
        env=environment,
        preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)
