"""Publishes the log and the outbox to Kafka: in order, without a gap, one relay at a time.

Of a partition one batch is on its way at a time, and what follows is not sent before that has
arrived on every replica that counts. So Kafka never has a record without those before it, and
after a crash at worst a few records a second time, which readers drop by the log's offset.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaProducer
from faust.types import TP

from cdp.cluster import Cluster
from cdp.db import Database
from cdp.errors import StoreUnavailable
from cdp.events import TOPICS
from cdp.leading import RELAY, leading
from cdp.log import store
from cdp.log.store import Record
from cdp.stream.bell import Bell
from cdp.stream.kafka import published, records
from cdp.stream.kafka.belonging import must_be_ours
from cdp.stream.kafka.locating import newest
from cdp.stream.kafka.reader import Alone
from cdp.stream.kafka.topics import connection, translated, until_declared

AT_ONCE = 2000  # records of a partition that are read together
BATCH_BYTES = 512 * 1024  # half of what a broker takes unless told otherwise
_REST_SECONDS = 0.02  # a round has a price, whatever it holds
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Relay:
    """Moves what is appended; `run` may be called in any number of processes."""

    database: Database
    partitions: int
    cluster: Cluster
    _positions: dict[TP, int] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Lead and publish until told to stop; StoreUnavailable when the lead is lost."""
        if not await until_declared(self.cluster, self.partitions, stop):
            return
        async with leading(self.database, RELAY, stop) as lead:
            if lead is None:
                return
            work = asyncio.create_task(self._publish(stop))
            try:
                await asyncio.wait({work, lead}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not work.done():
                    work.cancel()
                    await asyncio.gather(work, return_exceptions=True)
            if work.done() and not work.cancelled():
                work.result()
            elif lead.done():
                lead.result()

    async def _publish(self, stop: asyncio.Event) -> None:
        """However often Kafka or the database goes away: find the position again, and go on."""
        bell = Bell(self.database)
        bell.start()
        try:
            while not stop.is_set():
                try:
                    async with self._producer() as producer:
                        await self._find_positions()
                        while not stop.is_set():
                            if await self._round(producer):
                                await asyncio.sleep(_REST_SECONDS)
                            else:
                                await bell.wait(1.0)
                except StoreUnavailable as error:
                    log.warning("not_published", error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            await bell.stop()

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            **connection(self.cluster),
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
        )
        try:
            with translated():
                await producer.start()
            yield producer
        finally:
            await producer.stop()

    async def _find_positions(self) -> None:
        """As noted, or as Kafka shows, where it has more: the note may not have been written."""
        async with self.database.transaction() as connection:
            await published.begin(connection)
        reader = Alone(self.cluster, self.partitions)
        try:
            await reader.start()
            everywhere = [TP(topic, p) for topic in TOPICS for p in range(self.partitions)]
            found = await newest(reader, everywhere)
        finally:
            await reader.stop()
        async with self.database.transaction() as connection:
            await must_be_ours(connection, self.cluster, found)
            self._positions = await published.read(connection)
        for tp, record in found.items():
            self._positions[tp] = max(self._positions[tp], record.offset + 1)

    async def _round(self, producer: AIOKafkaProducer) -> bool:
        """Publish what there is of every topic, up to a batch a partition; False if nothing."""
        busy = False
        for topic in TOPICS:
            async with self.database.transaction() as connection:
                positions = {p: self._positions[TP(topic, p)] for p in range(self.partitions)}
                parts = await store.read(connection, topic, positions, AT_ONCE)
            if parts:
                busy = True
                await self._send(producer, topic, parts)
        return busy

    async def _send(
        self, producer: AIOKafkaProducer, topic: str, parts: dict[int, list[Record]]
    ) -> None:
        """A batch a partition, all at the same time; note those that have arrived."""
        name, arriving, ends = self.cluster.name(topic), [], []
        for partition, found in parts.items():
            batch = producer.create_batch()
            end = found[0].offset
            for record in found:
                headers = records.headers(partition, record)
                if not batch.append(
                    timestamp=None, key=record.key, value=record.value, headers=headers
                ):
                    break
                end = record.offset + 1
            with translated():
                arriving.append(await producer.send_batch(batch, name, partition=partition))
            ends.append((partition, end))
        results = await asyncio.gather(*arriving, return_exceptions=True)
        arrived = dict(
            end
            for end, result in zip(ends, results, strict=True)
            if not isinstance(result, BaseException)
        )
        self._positions |= {TP(topic, partition): end for partition, end in arrived.items()}
        if arrived:
            async with self.database.transaction() as connection:
                await published.move(connection, topic, arrived)
        with translated():
            for result in results:
                if isinstance(result, BaseException):
                    raise result
