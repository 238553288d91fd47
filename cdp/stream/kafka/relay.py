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
from typing import NoReturn

import structlog
from aiokafka import AIOKafkaProducer
from faust.types import TP

from cdp import metrics
from cdp.cluster import Cluster
from cdp.db import Database
from cdp.errors import StoreUnavailable
from cdp.events import TOPICS
from cdp.leading import leading
from cdp.locks import Lock
from cdp.log import store
from cdp.log.store import Record
from cdp.stopping import unless_stopped
from cdp.stream.bell import Bell
from cdp.stream.kafka import published, records
from cdp.stream.kafka.belonging import must_be_ours
from cdp.stream.kafka.locating import newest
from cdp.stream.kafka.reader import Alone
from cdp.stream.kafka.topics import connection, translated, until_declared
from cdp.stream.watchdog import LOOK_SECONDS, STALL_SECONDS, Progress, Stalled

AT_ONCE = 2000  # records of a partition that are read together
BATCH_BYTES = 512 * 1024  # half of what a broker takes unless told otherwise
_REST_SECONDS = 0.02  # a round has a price, whatever it holds
_RETRY_SECONDS = 1.0
STOP_SECONDS = 1.5  # twice: for the round that has begun, then for what is on its way

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Relay:
    """Moves what is appended; `run` may be called in any number of processes."""

    database: Database
    partitions: int
    cluster: Cluster
    patience: float = STALL_SECONDS
    _positions: dict[TP, int] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Lead and publish until told to stop.

        StoreUnavailable when the lead is lost, Stalled when nothing can be published for too long.
        """
        if not await until_declared(self.cluster, self.partitions, stop):
            return
        async with leading(self.database, Lock.RELAY, stop) as lead:
            if lead is None:
                return
            work = asyncio.create_task(self._publish(stop))
            watch = asyncio.create_task(self._watch())
            stopping = asyncio.create_task(stop.wait())
            ends = (work, watch, lead)
            try:
                await asyncio.wait({*ends, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done():
                    await asyncio.wait({work}, timeout=STOP_SECONDS)
            finally:
                for task in (work, watch, stopping):
                    task.cancel()
                await asyncio.wait({work, watch}, timeout=2 * STOP_SECONDS)
            for end in ends:
                if end.done() and not end.cancelled():
                    end.result()

    async def _watch(self) -> NoReturn:
        """Tell how far behind the relay is; Stalled if that does not change for too long."""
        progress = Progress()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                async with self.database.transaction() as connection:
                    lag = await published.lag(connection)
            except StoreUnavailable:  # then nothing can be published, and it comes back by itself
                progress = Progress()
                continue
            for topic, (_, left) in lag.items():
                metrics.relay_lag.labels(topic).set(left)
            done, left = (sum(each) for each in zip(*lag.values(), strict=True))
            silent = progress.silent(done, left=left > 0)
            if silent > self.patience:
                raise Stalled(f"nothing of {left} records was published for {silent:.0f} s")

    async def _publish(self, stop: asyncio.Event) -> None:
        """However often Kafka or the database goes away: find the position again, and go on."""
        bell = Bell(self.database)
        bell.start()
        try:
            while not stop.is_set():
                try:
                    async with self._producer(stop) as producer:
                        await self._find_positions()
                        while not stop.is_set():
                            if await self._round(producer):
                                await asyncio.sleep(_REST_SECONDS)
                            else:
                                await bell.wait(1.0)
                except StoreUnavailable as error:
                    log.warning("not_published", error=str(error))
                    metrics.relay_failures.inc()
                    await unless_stopped(stop, asyncio.sleep(_RETRY_SECONDS))
                    await until_declared(self.cluster, self.partitions, stop)
        finally:
            await bell.stop()

    @asynccontextmanager
    async def _producer(self, stop: asyncio.Event) -> AsyncIterator[AIOKafkaProducer]:
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
            await _let_go(producer, STOP_SECONDS if stop.is_set() else None)

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
            for tp, record in found.items():
                await published.move(connection, tp.topic, {tp.partition: record.offset + 1})
            self._positions = await published.read(connection)

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
        for partition, end in arrived.items():
            tp = TP(topic, partition)
            metrics.relay_published.labels(topic).inc(end - parts[partition][0].offset)
            self._positions[tp] = end
        if arrived:
            async with self.database.transaction() as connection:
                await published.move(connection, topic, arrived)
        with translated():
            for result in results:
                if isinstance(result, BaseException):
                    raise result


async def _let_go(producer: AIOKafkaProducer, seconds: float | None) -> None:
    """Wait for what is on its way, so that no other overtakes it; at the end of this process only
    so long: what arrives later, or not, the next relay finds on Kafka.
    """
    try:
        async with asyncio.timeout(seconds):
            await producer.stop()
    except TimeoutError:
        log.warning("stopped_before_all_had_arrived")
