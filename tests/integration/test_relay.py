"""The relay on a real Kafka: in order, without a gap, whatever is killed or cut meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator

import pytest

from cdp import metrics
from cdp.cluster import Cluster
from cdp.db import Database, named
from cdp.errors import ConfigurationError
from cdp.events import TOUCHED
from cdp.instance import Running
from cdp.log import store
from cdp.log.store import Message
from cdp.stream import checkpoints
from cdp.stream.kafka import published
from cdp.stream.kafka.relay import Relay
from cdp.stream.watchdog import Stalled
from tests.support.clusters import corner, secured_url
from tests.support.kafka import Kafka
from tests.support.relaying import everything_on, relaying
from tests.support.samples import changes, of
from tests.support.stores import PARTITIONS

_FORGET = named("update published set next_offset = 0")


class Outbox:
    """A topic that grows, and the corner of Kafka that it is published to."""

    def __init__(self, database: Database, cluster: Cluster) -> None:
        self.database = database
        self.cluster = cluster
        self.count = 0

    async def grow(self, count: int) -> None:
        numbers = range(self.count, self.count + count)
        messages = [Message(TOUCHED, b"%d" % (n % 97), b"%d" % n) for n in numbers]
        async with self.database.transaction() as connection:
            await store.emit(connection, messages, PARTITIONS)
        self.count += count

    async def until_published(self) -> None:
        async with asyncio.timeout(60):
            while True:
                async with self.database.transaction() as connection:
                    noted = await published.read(connection)
                    ends = await checkpoints.heads(connection)
                if noted and all(ends[tp] == offset for tp, offset in noted.items()):
                    return
                await asyncio.sleep(0.05)

    async def offsets(self) -> dict[int, list[int]]:
        found = await everything_on(self.cluster, TOUCHED)
        return {partition: [offset for offset, _ in each] for partition, each in found.items()}

    async def ends(self) -> dict[int, int]:
        async with self.database.transaction() as connection:
            heads = await checkpoints.heads(connection)
        return {partition: end for (topic, partition), end in heads.items() if topic == TOUCHED}

    async def dense(self) -> dict[int, list[int]]:
        return {partition: list(range(end)) for partition, end in (await self.ends()).items()}


@pytest.fixture
async def outbox(running: Running, kafka: Kafka) -> AsyncIterator[Outbox]:
    database = Database(running.database_url)
    yield Outbox(database, corner(kafka))
    await database.close()


async def test_records_come_to_lie_on_kafka_as_they_are_in_the_log(outbox: Outbox) -> None:
    await outbox.grow(5000)
    async with relaying(outbox.database, outbox.cluster):
        await outbox.grow(500)
        await outbox.until_published()
    found = await everything_on(outbox.cluster, TOUCHED)
    assert {p: [offset for offset, _ in each] for p, each in found.items()} == await outbox.dense()
    values = [int(record.value) for each in found.values() for _, record in each]
    assert sorted(values) == list(range(5500))
    for partition, each in found.items():
        assert {store.partition_of(record.key, PARTITIONS) for _, record in each} == {partition}
        numbers = [int(record.value) for _, record in each]
        assert numbers == sorted(numbers)


async def test_a_secured_cluster(outbox: Outbox, kafka: Kafka) -> None:
    outbox.cluster = Cluster.of(secured_url(kafka))
    await outbox.grow(100)
    async with relaying(outbox.database, outbox.cluster):
        await outbox.until_published()
    assert await outbox.offsets() == await outbox.dense()


async def test_one_relay_leads_and_another_takes_over(outbox: Outbox) -> None:
    async with relaying(outbox.database, outbox.cluster):
        async with relaying(outbox.database, outbox.cluster):
            await outbox.grow(500)
            await outbox.until_published()
        await outbox.grow(500)
        await outbox.until_published()
    assert await outbox.offsets() == await outbox.dense()


async def test_a_note_that_was_not_written_is_read_from_kafka(outbox: Outbox) -> None:
    await outbox.grow(500)
    async with relaying(outbox.database, outbox.cluster):
        await outbox.until_published()
    await outbox.database.rows(_FORGET)
    await outbox.grow(500)
    async with relaying(outbox.database, outbox.cluster):
        await outbox.until_published()
    assert await outbox.offsets() == await outbox.dense()


async def test_kafka_may_be_killed_meanwhile(outbox: Outbox, kafka: Kafka) -> None:
    async with relaying(outbox.database, outbox.cluster):
        for number in range(6):
            await outbox.grow(300)
            if number == 2:
                await asyncio.to_thread(kafka.stop)
            if number == 4:
                await asyncio.to_thread(kafka.start)
            await asyncio.sleep(0.2)
        await outbox.until_published()
    offsets, ends = await outbox.offsets(), await outbox.ends()
    for partition, found in offsets.items():
        assert sorted(set(found)) == list(range(ends[partition]))
        assert all(after - before <= 1 for before, after in itertools.pairwise(found)), "a gap"


async def test_a_relay_that_publishes_nothing_though_there_is_something_ends_itself(
    outbox: Outbox, kafka: Kafka
) -> None:
    assert kafka.pid is not None
    relay = Relay(outbox.database, PARTITIONS, outbox.cluster, patience=2.0)
    running = asyncio.create_task(relay.run(asyncio.Event()))
    with changes("relay") as risen:
        await outbox.grow(100)
        await outbox.until_published()
        await asyncio.sleep(3)  # nothing to do is no standstill
    assert not running.done()
    assert risen['cdp_relay_published_total{topic="touched"}'] == 100
    os.kill(kafka.pid, signal.SIGSTOP)
    try:
        await outbox.grow(100)
        with pytest.raises(Stalled, match="nothing of 100 records was published for"):
            async with asyncio.timeout(30):
                await running
    finally:
        os.kill(kafka.pid, signal.SIGCONT)
    assert of(metrics.registry("relay"))['cdp_relay_lag{topic="touched"}'] == 100
    async with relaying(outbox.database, outbox.cluster):
        await outbox.until_published()


async def test_who_leads_says_so(outbox: Outbox) -> None:
    leads = 'cdp_leader{role="relay"}'
    async with relaying(outbox.database, outbox.cluster):
        await outbox.grow(1)
        await outbox.until_published()
        assert of(metrics.registry("relay"))[leads] == 1
    assert of(metrics.registry("relay"))[leads] == 0


@pytest.mark.parametrize("since", [0, 700])
async def test_after_an_older_copy_was_restored_the_topic_is_not_this_logs(
    outbox: Outbox, since: int
) -> None:
    await outbox.grow(500)
    async with relaying(outbox.database, outbox.cluster):
        await outbox.until_published()
    await outbox.database.rows(named("delete from outbox"))
    await outbox.database.rows(named("update heads set next_offset = 0"))
    await outbox.database.rows(_FORGET)
    await outbox.grow(since)
    with pytest.raises(ConfigurationError, match="not this log's"):
        async with asyncio.timeout(30):
            await Relay(outbox.database, PARTITIONS, outbox.cluster).run(asyncio.Event())
