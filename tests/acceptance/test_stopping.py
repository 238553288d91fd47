"""Every part ends by itself when told to, in the middle of its work, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from cdp.api.background import Background
from cdp.audit import Audit
from cdp.collect.sources import Sources
from cdp.db import Database
from cdp.instance import Running
from cdp.limits import Limits
from cdp.personalizing.held import Catalogue
from cdp.personalizing.questions import Questions
from cdp.plans.held import Plans
from cdp.quality.tally import Tally
from cdp.services.server import free_port
from consent.gate import CollectionGate
from tests.support.clusters import plain_url
from tests.support.kafka import Kafka
from tests.support.line import line_to
from tests.support.parts import Parts

_STANDING_BY = """
    select from pg_stat_activity
     where datname = current_database() and query like 'select pg_try_advisory_lock%'
       and state = 'idle'
"""
BATCH, PEOPLE, SENDERS = 100, 100, 2
PACE = 0.05  # seconds between the batches of a sender


@pytest.fixture
def parts(running: Running, tmp_path: Path) -> Iterator[Parts]:
    with Parts(tmp_path, running) as made:
        yield made


class Load:
    """Sends without a pause; a batch that was not acknowledged is sent again, as an SDK would."""

    def __init__(self, parts: Parts) -> None:
        self.sent: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self._parts = parts
        self._number = 0
        self._enough = threading.Event()
        self._lock = threading.Lock()

    def _batch(self) -> list[dict[str, str]]:
        with self._lock:
            self._number += 1
            number = self._number
            people = [f"u{(number * BATCH + at) * 7919 % PEOPLE}" for at in range(BATCH)]
            self.sent.update(people)
        call = {"type": "track", "event": "Tick"}
        return [
            call | {"userId": who, "messageId": f"{number}-{at}"} for at, who in enumerate(people)
        ]

    def _send(self) -> None:
        while not self._enough.wait(PACE):
            batch = self._batch()
            while not self._acknowledged(batch):
                time.sleep(PACE)

    def _acknowledged(self, batch: list[dict[str, str]]) -> bool:
        try:
            status = self._parts.client.post("/v1/batch", json={"batch": batch}).status_code
        except httpx.TransportError:
            status = 0
        assert status in {0, 200, 503}
        self.answers[status] += 1
        return status == 200

    def until(self, count: int) -> None:
        """Until that many more batches were acknowledged."""
        wanted = self.answers[200] + count
        self._parts.wait_for(lambda: self.answers[200] >= wanted, "load")

    @contextmanager
    def running(self) -> Iterator[None]:
        """As long as the block lasts, and until the last batch is acknowledged."""
        with ThreadPoolExecutor(SENDERS) as senders:
            sending = [senders.submit(self._send) for _ in range(SENDERS)]
            try:
                yield
            finally:
                self._enough.set()
        for each in sending:
            each.result()


def is_right(parts: Parts, load: Load) -> None:
    """Everything that was acknowledged, once each."""
    parts.wait_quiet()
    status = parts.status()
    assert (status["events"], status["parked"]) == (load.sent.total(), 0)
    counts = {who: parts.profile(f"user_id:{who}")["events"]["Tick"] for who in load.sent}
    assert counts == load.sent


def test_an_api_under_load(parts: Parts) -> None:
    parts.start("worker")
    api = parts.start("api")
    load = Load(parts)
    with load.running():
        for _ in range(2):
            load.until(10)
            print(f"api {api.end():.2f} s {load.answers}")
            api = parts.start("api")
        load.until(10)
    is_right(parts, load)


@pytest.fixture(params=["postgres", "kafka"])
def carried(request: pytest.FixtureRequest, parts: Parts) -> Parts:
    """By our own tables, or over Kafka."""
    if request.param == "kafka":
        parts.environment["CDP_KAFKA_URL"] = plain_url(request.getfixturevalue("kafka"))
        parts.start("relay")
    return parts


def test_a_worker_and_a_scheduler_under_load(carried: Parts) -> None:
    parts = carried
    parts.start("api")
    scheduler, worker = parts.start("scheduler"), parts.start("worker")
    where = {"event": "Tick", "count": {"gte": 5}, "within": "1d"}
    load = Load(parts)
    with load.running():
        for number in range(2):
            handled = parts.handled()
            parts.wait_for(lambda handled=handled: parts.handled() > handled + 500, "work")
            parts.put(f"/segments/busy-{number}", {"name": "Busy", "where": where})
            print(f"scheduler {scheduler.end():.2f} s, worker {worker.end():.2f} s")
            scheduler, worker = parts.start("scheduler"), parts.start("worker")
    is_right(parts, load)


def test_a_relay_under_load_and_without_a_kafka(parts: Parts, kafka: Kafka) -> None:
    parts.environment["CDP_KAFKA_URL"] = plain_url(kafka)
    parts.start("api")
    relay, worker = parts.start("relay"), parts.start("worker")
    load = Load(parts)
    with load.running():
        load.until(20)
        print(f"relay {relay.end():.2f} s")
        relay = parts.start("relay")
        handled = parts.handled()
        parts.wait_for(lambda: parts.handled() > handled + 500, "work")
        kafka.kill()
        load.until(20)
        try:
            print(f"without Kafka: relay {relay.end():.2f} s, worker {worker.end():.2f} s")
        finally:
            kafka.start()
        parts.start("relay")
        parts.start("worker")
    is_right(parts, load)


@pytest.mark.parametrize("part", ["relay", "worker"])
def test_whoever_waits_for_kafka(parts: Parts, part: str) -> None:
    parts.environment["CDP_KAFKA_URL"] = f"kafka://127.0.0.1:{free_port()}"
    waiting = parts.start(part)
    waiting.until_logged("no_kafka_yet")
    print(f"{part} {waiting.end():.2f} s")


def test_who_stands_by(parts: Parts) -> None:
    first = parts.start("scheduler")
    second = parts.start("scheduler")
    with psycopg.connect(parts.environment["CDP_DATABASE_URL"], autocommit=True) as asking:
        parts.wait_for(lambda: asking.execute(_STANDING_BY).fetchone() is not None, "standby")
    print(f"standby {second.end():.2f} s")
    first.end()


async def test_requests_that_wait_for_a_store_that_is_gone(parts: Parts) -> None:
    headers = parts.headers
    async with line_to(parts.environment["CDP_DATABASE_URL"]) as line:
        parts.environment["CDP_DATABASE_URL"] = line.url
        api = await asyncio.to_thread(parts.start, "api")
        async with httpx.AsyncClient(
            base_url=parts.url, headers=headers, timeout=20, trust_env=False
        ) as client:
            call = {"userId": "ada", "event": "Tick"}
            assert (await client.post("/v1/track", json=call)).is_success
            await line.cut()
            waiting = [asyncio.create_task(client.post("/v1/track", json=call)) for _ in range(5)]
            await asyncio.sleep(0.5)
            assert not any(each.done() for each in waiting)
            seconds = await asyncio.to_thread(api.end)
            print(f"api without a store {seconds:.2f} s")
            answers = await asyncio.gather(*waiting)
        assert [each.status_code for each in answers] == [503] * 5
        assert all(each.headers["retry-after"] for each in answers)


async def test_an_api_whose_writer_has_failed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        raise RuntimeError("the writer has failed")

    ended: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", ended.append)
    database = Database("postgresql://127.0.0.1:1/nowhere")
    background = Background(
        database,
        Mock(),
        Mock(run=run),
        CollectionGate("CA"),
        Mock(renew=AsyncMock()),
        Audit(database, Mock()),
        Limits("redis://127.0.0.1:1/0"),
        Sources(database),
        Plans(),
        Tally(database, Mock()),
        Catalogue(""),
        Questions(database),
    )
    with pytest.raises(RuntimeError, match="the writer has failed"):
        async with background.lifespan(FastAPI()):
            await asyncio.sleep(0.1)
    assert ended == [signal.SIGTERM]
    await database.close()
