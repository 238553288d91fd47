"""A relay for as long as a block lasts, and all that lies on Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from faust.types import TP

from cdp.cluster import Cluster
from cdp.db import Database
from cdp.stream.kafka import records
from cdp.stream.kafka.reader import Alone
from cdp.stream.kafka.relay import Relay
from tests.support.stores import PARTITIONS


@asynccontextmanager
async def relaying(database: Database, cluster: Cluster) -> AsyncIterator[asyncio.Task[None]]:
    """A relay between this database and this corner of Kafka."""
    stop = asyncio.Event()
    task = asyncio.create_task(Relay(database, PARTITIONS, cluster).run(stop))
    try:
        yield task
    finally:
        stop.set()
        await task


async def everything_on(cluster: Cluster, topic: str) -> dict[int, list[tuple[int, Any]]]:
    """Of each partition the log's offsets and what Kafka has there, in Kafka's order."""
    reader = Alone(cluster, PARTITIONS)
    await reader.start()
    try:
        tps = [TP(topic, partition) for partition in range(PARTITIONS)]
        bounds = await reader.bounds(tps)
        found: dict[int, list[Any]] = {tp.partition: [] for tp in tps}
        for tp, (first, end) in bounds.items():
            await reader.seek({tp: first})
            while len(found[tp.partition]) < end - first:
                for batch in (await reader.take([tp], 5.0, 500)).values():
                    found[tp.partition] += batch
    finally:
        await reader.stop()
    return {partition: _ours(batch) for partition, batch in found.items()}


def _ours(batch: list[Any]) -> list[tuple[int, Any]]:
    offsets = [(records.offset_of(each), each) for each in batch]
    return [(offset, each) for offset, each in offsets if offset is not None]
