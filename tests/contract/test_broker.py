"""One suite for every broker: what the Faust transport may rely on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import pytest
from faust.types import TP

from cdp.cluster import Cluster
from cdp.db import Database, named
from cdp.events import DELIVERIES, TOUCHED
from cdp.instance import Running
from cdp.log import store
from cdp.log.store import Message, Record
from cdp.stream.broker import Broker, BrokerLost, Topics
from cdp.stream.kafka import topics
from cdp.stream.kafka.broker import KafkaBroker
from cdp.stream.kafka.reader import Alone
from cdp.stream.memory import MemoryBroker
from cdp.stream.postgres import PostgresBroker
from tests.support.clusters import corner
from tests.support.relaying import relaying
from tests.support.stores import PARTITIONS


class Bench(Protocol):
    """A broker, and how to put records on its topics."""

    broker: Topics

    async def append(self, topic: str, key: bytes, value: bytes) -> None: ...


class InMemory:
    """The twin."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(PARTITIONS)

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        await self.broker.append(topic, key, value)


class InPostgres:
    """The real thing."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.broker = PostgresBroker(database, PARTITIONS)

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        async with self.database.transaction() as connection:
            await store.emit(connection, [Message(topic, key, value)], PARTITIONS)


class InKafka:
    """Kafka, which a relay publishes to, read in no group."""

    def __init__(self, database: Database, cluster: Cluster) -> None:
        self.database = database
        self.broker = KafkaBroker(database, PARTITIONS, cluster)

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        async with self.database.transaction() as connection:
            await store.emit(connection, [Message(topic, key, value)], PARTITIONS)


@contextlib.asynccontextmanager
async def in_kafka(database: Database, cluster: Cluster) -> AsyncIterator[Bench]:
    async with relaying(database, cluster):
        assert await topics.until_declared(cluster, PARTITIONS, asyncio.Event())
        reader = Alone(cluster, PARTITIONS)
        await reader.start()
        made = InKafka(database, cluster)
        made.broker.attach(reader)
        await made.broker.start()
        yield made
        await made.broker.stop()
        await reader.stop()


@pytest.fixture
async def database(running: Running) -> AsyncIterator[Database]:
    opened = Database(running.database_url)
    yield opened
    await opened.close()


@pytest.fixture(params=["memory", "postgres"])
async def shared(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Broker]:
    """Those that workers share by lease."""
    memory = request.param == "memory"
    made: Broker = MemoryBroker(PARTITIONS) if memory else PostgresBroker(database, PARTITIONS)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(params=["memory", "postgres", "kafka"])
async def bench(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Bench]:
    if request.param == "kafka":
        async with in_kafka(database, corner(request.getfixturevalue("kafka"))) as kafka:
            yield kafka
        return
    made: Bench = InMemory() if request.param == "memory" else InPostgres(database)
    await made.broker.start()
    yield made
    await made.broker.stop()


async def fetched(
    bench: Bench, topic: str, positions: Mapping[int, int], limit: int = 100, count: int = 10
) -> dict[int, list[Record]]:
    """What is fetched in a row, once so many records have come: they may take their time."""
    found: dict[int, list[Record]] = {}
    at = dict(positions)
    async with asyncio.timeout(30):
        while sum(map(len, found.values())) < count:
            for partition, records in (await bench.broker.fetch(topic, at, limit)).items():
                assert len(records) <= limit
                found[partition] = found.get(partition, []) + records
                at[partition] = records[-1].offset + 1
            await asyncio.sleep(0.01)
    return found


EVERYTHING = dict.fromkeys(range(PARTITIONS), 0)


async def test_records_of_a_key_come_back_in_order_with_dense_offsets(bench: Bench) -> None:
    for number in range(10):
        await bench.append(TOUCHED, b"ada", str(number).encode())
    found = await fetched(bench, TOUCHED, EVERYTHING)
    ((partition, records),) = found.items()
    assert partition == store.partition_of(b"ada", PARTITIONS)
    assert [record.offset for record in records] == list(range(10))
    assert [record.value for record in records] == [str(n).encode() for n in range(10)]
    assert {record.key for record in records} == {b"ada"}


async def test_fetching_starts_at_the_position_and_stops_at_the_limit(bench: Bench) -> None:
    for number in range(10):
        await bench.append(TOUCHED, b"ada", str(number).encode())
    home = store.partition_of(b"ada", PARTITIONS)
    found = await fetched(bench, TOUCHED, {home: 4}, limit=3, count=3)
    assert [record.offset for record in found[home]] == [4, 5, 6]
    assert await bench.broker.fetch(TOUCHED, {home: 10}, 3) == {}


async def test_a_position_may_be_gone_back_to(bench: Bench) -> None:
    for number in range(10):
        await bench.append(TOUCHED, b"ada", str(number).encode())
    home = store.partition_of(b"ada", PARTITIONS)
    for position in (8, 0, 10, 5):
        found = await fetched(bench, TOUCHED, {home: position}, count=10 - position)
        assert [each.offset for each in found.get(home, [])] == list(range(position, 10))


async def test_topics_are_apart(bench: Bench) -> None:
    await bench.append(TOUCHED, b"ada", b"1")
    assert await bench.broker.fetch(DELIVERIES, EVERYTHING, 10) == {}


async def test_ends_and_checkpoints(bench: Bench) -> None:
    await bench.append(TOUCHED, b"ada", b"1")
    tp = TP(TOUCHED, store.partition_of(b"ada", PARTITIONS))
    assert await bench.broker.ends([tp]) == {tp: 1}
    assert await bench.broker.checkpoints([tp]) == {tp: 0}


async def test_waiting_ends_when_something_was_appended(bench: Bench) -> None:
    assert await bench.broker.fetch(TOUCHED, EVERYTHING, 10) == {}
    await bench.broker.wait(0.2)  # start, and whatever happened before
    await bench.append(TOUCHED, b"ada", b"1")
    async with asyncio.timeout(20):
        while TOUCHED not in await bench.broker.wait(60.0):
            pass


async def test_a_lone_worker_gets_everything(shared: Broker) -> None:
    share = await shared.share([TOUCHED, DELIVERIES])
    assert len(share) == 2 * PARTITIONS
    assert await shared.acquire(share) == share
    await shared.release(share)


async def test_two_workers_share_and_a_lease_has_one_holder(database: Database) -> None:
    one, two = PostgresBroker(database, PARTITIONS), PostgresBroker(database, PARTITIONS)
    await one.start()
    everything = await one.share([TOUCHED])
    assert await one.acquire(everything) == everything
    await two.start()
    ours, theirs = await one.share([TOUCHED]), await two.share([TOUCHED])
    assert ours | theirs == everything
    assert not ours & theirs
    assert await two.acquire(theirs) == set()
    await one.release(theirs)
    assert await two.acquire(theirs) == theirs
    await one.stop()
    assert await two.share([TOUCHED]) == everything
    assert await two.acquire(ours) == ours
    await two.stop()


async def test_a_lost_session_loses_the_leases(database: Database) -> None:
    broker = PostgresBroker(database, PARTITIONS)
    await broker.start()
    share = await broker.share([TOUCHED])
    await broker.acquire(share)
    await database.rows(
        named(
            "select pg_terminate_backend(pid) from pg_locks"
            " where locktype = 'advisory' and pid <> pg_backend_pid()"
        )
    )
    with pytest.raises(BrokerLost):
        await broker.acquire(share)
    other = PostgresBroker(database, PARTITIONS)
    await other.start()
    assert await other.acquire(await other.share([TOUCHED])) == share
    await broker.start()
    assert len(await broker.share([TOUCHED])) == PARTITIONS / 2
    await other.stop()
    await broker.stop()
