"""Three brokers that copy each other: each is killed once under load, and nothing is lost by it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from cdp.cluster import Cluster
from cdp.db import named
from cdp.events import TOUCHED
from cdp.instance import Running
from cdp.log.store import Record
from cdp.stream.kafka import topics
from cdp.stream.stage import Unit
from tests.support import kafka_jars
from tests.support.kafka import Kafka, cluster_of
from tests.support.noting import Log, log_on, working
from tests.support.relaying import everything_on

KEYS = 97  # of Log.put
_ORDERED = named("create table ordered (n bigserial, key bytea, value bytea)")
_NOTE = named(
    """
    insert into ordered (key, value)
    select k, v from unnest(cast(:keys as bytea[]), cast(:values as bytea[]))
      with ordinality u(k, v, n) order by n
    """
)
_READ = named("select key, value from ordered order by n")


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Kafka]]:
    with cluster_of(3, tmp_path_factory.mktemp("brokers"), kafka_jars.jars()) as made:
        yield made


async def note_in_order(unit: Unit, records: Sequence[Record]) -> None:
    values = {"keys": [each.key for each in records], "values": [each.value for each in records]}
    await unit.connection.execute(_NOTE, values)


@asynccontextmanager
async def load(log: Log) -> AsyncIterator[None]:
    """Records all the time, as long as the block lasts; `log.count` says how many came to be."""
    stop = asyncio.Event()

    async def putting() -> None:
        while not stop.is_set():
            await log.put(100, start=log.count)
            log.count += 100
            await asyncio.sleep(0.1)

    task = asyncio.create_task(putting())
    try:
        yield
    finally:
        stop.set()
        await task


async def until_drained_to(log: Log, count: int) -> None:
    """Until that many were handled, though more come all the time."""
    async with asyncio.timeout(60):
        while (await log.database.rows(named("select count(*) from ordered")))[0][0] < count:
            await asyncio.sleep(0.1)


async def until_in_sync(cluster: Cluster, copies: int) -> None:
    """Until every partition has that many copies that are up to date."""
    admin = AIOKafkaAdminClient(**topics.connection(cluster))
    await admin.start()
    try:
        async with asyncio.timeout(60):
            while True:
                (found,) = await admin.describe_topics([cluster.name(TOUCHED)])
                if all(len(each["isr"]) == copies for each in found["partitions"]):
                    return
                await asyncio.sleep(0.2)
    finally:
        await admin.close()


async def test_any_broker_may_be_killed_under_load(running: Running, brokers: list[Kafka]) -> None:
    servers = ",".join(each.address for each in brokers)
    cluster = Cluster.of(f"kafka://{servers}/three?replication=3")
    async with log_on(running, cluster) as log:
        await log.database.rows(_ORDERED)
        async with working(log, note_in_order), load(log):
            await until_drained_to(log, 500)
            for broker in brokers:
                await until_in_sync(cluster, len(brokers))
                await asyncio.to_thread(broker.kill)
                await until_drained_to(log, log.count + 500)  # it goes on without that one
                await until_in_sync(cluster, len(brokers) - 1)
                broker.begin()
                await asyncio.to_thread(broker.until_ready)
            await until_in_sync(cluster, len(brokers))
        async with working(log, note_in_order):
            await log.until_drained(30)
        seen: dict[bytes, list[int]] = defaultdict(list)
        for key, value in await log.database.rows(_READ):
            seen[bytes(key)].append(int(bytes(value)))
        wanted = {b"%d" % key: list(range(key, log.count, KEYS)) for key in range(KEYS)}
        assert seen == wanted, "each once, and in the order of the log"
        found = await everything_on(cluster, TOUCHED)
    for partition, records in found.items():
        offsets = [offset for offset, _ in records]
        assert sorted(set(offsets)) == list(range(max(offsets) + 1)), f"a gap in {partition}"
