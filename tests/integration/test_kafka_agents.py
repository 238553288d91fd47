"""What only Kafka can do to agents: cut a topic off, lose it, die. The log has what is missing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from faust.types import TP

from cdp.cluster import Cluster
from cdp.db import Database, named
from cdp.errors import ConfigurationError
from cdp.events import TOUCHED
from cdp.instance import Running
from cdp.stream import checkpoints
from cdp.stream.agents import Agents
from cdp.stream.kafka import locating, published, topics
from cdp.stream.kafka.transport import Thread
from cdp.stream.watchdog import Stalled
from tests.support.clusters import corner, secured_urls
from tests.support.kafka import Kafka
from tests.support.noting import Log, log_on, note, working
from tests.support.stores import PARTITIONS


@pytest.fixture
async def log(running: Running, kafka: Kafka) -> AsyncIterator[Log]:
    async with log_on(running, corner(kafka)) as made:
        yield made


async def until_published(database: Database) -> None:
    async with asyncio.timeout(60):
        while True:
            async with database.transaction() as connection:
                noted, ends = await published.read(connection), await checkpoints.heads(connection)
            if noted and all(ends[tp] == offset for tp, offset in noted.items()):
                return
            await asyncio.sleep(0.05)


async def cut_off(cluster: Cluster, offset: int) -> None:
    """As retention does: the topic begins at `offset` of each partition, -1 is its end."""
    admin = AIOKafkaAdminClient(**topics.connection(cluster))
    await admin.start()
    try:
        tps = [TopicPartition(cluster.name(TOUCHED), p) for p in range(PARTITIONS)]
        await admin.delete_records({tp: RecordsToDelete(before_offset=offset) for tp in tps})
    finally:
        await admin.close()


@pytest.mark.parametrize("before", [40, -1])
async def test_what_retention_has_taken_is_read_from_the_log(log: Log, before: int) -> None:
    assert log.cluster is not None
    await log.put(1000)
    await until_published(log.database)
    await cut_off(log.cluster, before)
    async with working(log, note):
        await log.until_drained(30)
        await log.put(500, start=1000)
        await log.until_drained(30)
    assert await log.seen() == Counter(range(1500))


async def test_a_topic_that_is_made_anew_misses_nothing(log: Log) -> None:
    assert log.cluster is not None
    await log.put(1000)
    await until_published(log.database)
    admin = AIOKafkaAdminClient(**topics.connection(log.cluster))
    await admin.start()
    await admin.delete_topics([log.cluster.name(TOUCHED)])
    await asyncio.sleep(0.5)
    await admin.close()
    assert await topics.until_declared(log.cluster, PARTITIONS, asyncio.Event())
    async with working(log, note):
        await log.until_drained(60)
        await log.put(500, start=1000)
        await log.until_drained(60)
    assert await log.seen() == Counter(range(1500))


async def test_kafka_may_die_under_agents_at_work(log: Log, kafka: Kafka) -> None:
    async with working(log, note):
        await log.put(500)
        await log.until_drained(30)
        await asyncio.to_thread(kafka.stop)
        await log.put(500, start=500)
        await asyncio.sleep(1)
        await asyncio.to_thread(kafka.start)
        await log.put(500, start=1000)
        await log.until_drained(60)
    assert await log.seen() == Counter(range(1500))


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "certificate"])
async def test_agents_on_a_secured_cluster(running: Running, kafka: Kafka, way: str) -> None:
    async with log_on(running, Cluster.of(secured_urls(kafka)[way])) as log:
        await log.put(500)
        async with working(log, note):
            await log.until_drained(30)
        assert await log.seen() == Counter(range(500))


async def test_a_worker_whose_consumer_stalls_is_ended(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(self: Thread, tps: object, timeout: float, most: int) -> dict[TP, list[Any]]:
        await asyncio.sleep(timeout)
        return {}

    await log.put(100)
    await until_published(log.database)
    monkeypatch.setattr(Thread, "take", nothing)
    monkeypatch.setattr(locating, "_PATIENCE_SECONDS", 0.5)
    agents = Agents(log.topics(), [log.stage(note)], patience=2.0)
    with pytest.raises(Stalled):
        async with asyncio.timeout(60):
            await agents.run(asyncio.Event())
    assert await log.lag() == 100


async def test_a_topic_that_is_not_this_logs_ends_the_worker(
    running: Running, kafka: Kafka
) -> None:
    cluster = corner(kafka)
    async with log_on(running, cluster) as newer:
        await newer.put(500)
        await until_published(newer.database)
    older = Log(Database(running.database_url), cluster)
    await older.database.rows(named("delete from outbox"))
    await older.database.rows(named("update heads set next_offset = 0"))
    await older.put(700, start=1000)
    with pytest.raises(ConfigurationError, match="not this log's"):
        async with asyncio.timeout(30):
            await older.agents(note).run(asyncio.Event())
    assert not await older.seen()
    await older.database.close()
