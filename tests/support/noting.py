"""A topic that agents consume, over either carrier, and what they noted while handling it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from cdp.cluster import Cluster
from cdp.db import Database, named
from cdp.events import TOUCHED
from cdp.instance import Running
from cdp.log import store
from cdp.log.store import Message, Record
from cdp.stream import checkpoints
from cdp.stream.agents import Agents
from cdp.stream.broker import Topics
from cdp.stream.kafka.broker import KafkaBroker
from cdp.stream.postgres import PostgresBroker
from cdp.stream.stage import Handle, Stage, Unit
from tests.support.relaying import relaying
from tests.support.stores import PARTITIONS

_SEEN = named("create table seen (value bytea)")
_NOTE = named("insert into seen select unnest(cast(:values as bytea[]))")
MOST = 50  # records in a chunk


class Log:
    """A topic to be consumed, and what handlers noted in the database while handling it."""

    def __init__(self, database: Database, cluster: Cluster | None) -> None:
        self.database = database
        self.cluster = cluster
        self.count = 0  # of records, where a test counts them

    async def put(self, count: int, start: int = 0) -> None:
        keys = [str(number % 97).encode() for number in range(start, start + count)]
        messages = [
            Message(TOUCHED, key, str(number).encode())
            for number, key in enumerate(keys, start=start)
        ]
        async with self.database.transaction() as connection:
            await store.emit(connection, messages, PARTITIONS)

    async def seen(self) -> Counter[int]:
        return Counter(int(row[0]) for row in await self.database.rows(named("select * from seen")))

    async def lag(self) -> int:
        async with self.database.transaction() as connection:
            return (await checkpoints.lag(connection))[TOUCHED]

    async def until_drained(self, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while await self.lag():
                await asyncio.sleep(0.02)

    def stage(self, handle: Handle) -> Stage:
        return Stage(TOUCHED, handle, self.database, PARTITIONS, MOST)

    def agents(self, handle: Handle) -> Agents:
        return Agents(self.topics(), [self.stage(handle)])

    def topics(self) -> Topics:
        if self.cluster is None:
            return PostgresBroker(self.database, PARTITIONS)
        return KafkaBroker(self.database, PARTITIONS, self.cluster)


async def note(unit: Unit, records: Sequence[Record]) -> None:
    await unit.connection.execute(_NOTE, {"values": [record.value for record in records]})


@asynccontextmanager
async def log_on(running: Running, cluster: Cluster | None) -> AsyncIterator[Log]:
    """As our own tables carry it; with a cluster as Kafka does, with a relay in between."""
    database = Database(running.database_url)
    await database.rows(_SEEN)
    log = Log(database, cluster)
    if cluster is None:
        yield log
    else:
        async with relaying(database, cluster):
            yield log
    await database.close()


@asynccontextmanager
async def working(log: Log, handle: Handle) -> AsyncIterator[None]:
    """A worker for as long as the block lasts."""
    stop = asyncio.Event()
    run = asyncio.create_task(log.agents(handle).run(stop))
    try:
        yield
    finally:
        stop.set()
        await run
