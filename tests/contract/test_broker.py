"""One suite for every broker: what the Faust transport may rely on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from faust.types import TP

from cdp.db import Database, named
from cdp.events import DELIVERIES, TOUCHED
from cdp.instance import Running
from cdp.log import store
from cdp.log.store import Message
from cdp.stream.broker import Broker, BrokerLost
from cdp.stream.memory import MemoryBroker
from cdp.stream.postgres import PostgresBroker
from tests.support.stores import PARTITIONS


class Bench(Protocol):
    """A broker, and how to put records on its topics."""

    broker: Broker

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


@pytest.fixture
async def database(running: Running) -> AsyncIterator[Database]:
    opened = Database(running.database_url)
    yield opened
    await opened.close()


@pytest.fixture(params=["memory", "postgres"])
async def bench(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Bench]:
    made: Bench = InMemory() if request.param == "memory" else InPostgres(database)
    await made.broker.start()
    yield made
    await made.broker.stop()


EVERYTHING = dict.fromkeys(range(PARTITIONS), 0)


async def test_records_of_a_key_come_back_in_order_with_dense_offsets(bench: Bench) -> None:
    for number in range(10):
        await bench.append(TOUCHED, b"ada", str(number).encode())
    found = await bench.broker.fetch(TOUCHED, EVERYTHING, 100)
    ((partition, records),) = found.items()
    assert partition == store.partition_of(b"ada", PARTITIONS)
    assert [record.offset for record in records] == list(range(10))
    assert [record.value for record in records] == [str(n).encode() for n in range(10)]
    assert {record.key for record in records} == {b"ada"}


async def test_fetching_starts_at_the_position_and_stops_at_the_limit(bench: Bench) -> None:
    for number in range(10):
        await bench.append(TOUCHED, b"ada", str(number).encode())
    home = store.partition_of(b"ada", PARTITIONS)
    found = await bench.broker.fetch(TOUCHED, {home: 4}, 3)
    assert [record.offset for record in found[home]] == [4, 5, 6]
    assert await bench.broker.fetch(TOUCHED, {home: 10}, 3) == {}


async def test_topics_are_apart(bench: Bench) -> None:
    await bench.append(TOUCHED, b"ada", b"1")
    assert await bench.broker.fetch(DELIVERIES, EVERYTHING, 10) == {}


async def test_ends_and_checkpoints(bench: Bench) -> None:
    await bench.append(TOUCHED, b"ada", b"1")
    tp = TP(TOUCHED, store.partition_of(b"ada", PARTITIONS))
    assert await bench.broker.ends([tp]) == {tp: 1}
    assert await bench.broker.checkpoints([tp]) == {tp: 0}


async def test_waiting_ends_when_something_was_appended(bench: Bench) -> None:
    await bench.broker.wait(0.2)  # start, and whatever happened before
    await bench.append(TOUCHED, b"ada", b"1")
    started = time.monotonic()
    assert TOUCHED in await bench.broker.wait(5.0)
    assert time.monotonic() - started < 4.0


async def test_a_lone_worker_gets_everything(bench: Bench) -> None:
    share = await bench.broker.share([TOUCHED, DELIVERIES])
    assert len(share) == 2 * PARTITIONS
    assert await bench.broker.acquire(share) == share
    await bench.broker.release(share)


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
