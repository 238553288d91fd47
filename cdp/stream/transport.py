"""Our Faust transport: a consumer that hands over chunks, over any broker.

What Faust would keep, we keep elsewhere. Its commits mean nothing here: a position is moved in
the transaction of the state, and on every assignment the consumer seeks to those positions.
One message is one chunk, because Faust pays its cost by the message.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NoReturn

from faust.transport import base
from faust.transport.consumer import Consumer as FaustConsumer
from faust.types import TP, ConsumerMessage
from mode import Service

from cdp.errors import CdpError, StoreUnavailable
from cdp.log.store import partition_of
from cdp.stream.assignor import Assignor
from cdp.stream.broker import Broker, BrokerLost, Chunk
from cdp.stream.pace import Pace

IN_FLIGHT = 2  # chunks per topic: one being handled, one at hand
REJOIN_SECONDS = 1.0
LEASE_SECONDS = 5.0  # how long to wait for the others to let go before starting with less
GROUP_POLL_SECONDS = 1.0


class Consumer(FaustConsumer):  # type: ignore[misc]
    """Fetches chunks for the partitions this worker leases."""

    consumer_stopped_errors: ClassVar[tuple[type[BaseException], ...]] = (BrokerLost,)

    def __init__(self, transport: Transport, *args: Any, **kwargs: Any) -> None:
        self.broker = transport.broker
        self._most = transport.most
        self._held: set[TP] = set()
        self._positions: dict[TP, int] = {}
        self._in_flight: Counter[str] = Counter()
        self._topics: set[str] = set()
        self._pace = Pace(time.monotonic)
        self._generation = 0
        super().__init__(transport, *args, **kwargs)
        self.app.assignor = Assignor(self)
        self._subscribed = asyncio.Event()

    async def on_stop(self) -> None:
        """Give the partitions back at once, so that others take them within moments."""
        self._held = set()
        await self.broker.stop()

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Remember the topics; assigning them inline would wait for itself in Faust."""
        self._topics = set(topics)
        self._subscribed.set()

    # -- who holds what ------------------------------------------------------------------------

    @Service.task  # type: ignore[untyped-decorator]
    async def _coordinate(self) -> None:
        await self._subscribed.wait()
        assigned = False
        while not self.should_stop:
            try:
                await self.broker.start()
                share = await self.broker.share(self._topics)
                if share != self._held or not assigned:
                    await self._rebalance(share)
                    assigned = True
                await self.sleep(GROUP_POLL_SECONDS)
            except BrokerLost as error:
                self.log.warning("broker lost (%s); joining again", type(error).__name__)
                if self._held:
                    self.app.on_rebalance_start()
                    await self.on_partitions_revoked(set(self._held))
                self._held, assigned = set(), False
                await self.sleep(REJOIN_SECONDS)

    async def _rebalance(self, share: set[TP]) -> None:
        self.app.on_rebalance_start()
        if self._held:
            await self.on_partitions_revoked(set(self._held))
            await self.broker.release(self._held - share)
        held = self._held & share
        deadline = time.monotonic() + LEASE_SECONDS
        while held != share and not self.should_stop:
            held |= await self.broker.acquire(share - held)
            if time.monotonic() > deadline:
                break  # the next round tries for the rest
            await asyncio.sleep(0.05)
        self._held = held
        self._pace.grew(self._topics)
        self._in_flight.clear()
        self._generation += 1
        self.app.consumer_generation_id = self._generation
        await self.on_partitions_assigned(set(held), self._generation)

    def assignment(self) -> set[TP]:
        """The partitions this worker leases."""
        return set(self._held)

    # -- positions live with the state, not here -----------------------------------------------

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every held partition to its checkpoint, however long the store is away."""
        while True:
            try:
                self._positions = await self.broker.checkpoints(self._held)
            except StoreUnavailable as error:
                self.log.warning("no checkpoints yet (%s)", error)
                await asyncio.sleep(REJOIN_SECONDS)
            else:
                return self._positions

    async def _seek(self, partition: TP, offset: int) -> None:
        self._positions[partition] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek these partitions."""
        self._positions.update(partitions)

    async def position(self, tp: TP) -> int | None:
        """The next offset to be fetched."""
        return self._positions.get(tp)

    def handled(self, chunk: Chunk) -> None:
        """A chunk is through: make room for the next."""
        if chunk.generation == self._generation:
            self._in_flight[chunk.topic] -= 1
            self.broker.wake()

    def _new_offset(self, tp: TP) -> None:
        """Never anything to commit; forget what Faust noted as acknowledged."""
        self._acked[tp].clear()
        self._acked_index[tp].clear()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return True

    # -- data ----------------------------------------------------------------------------------

    async def _getmany(
        self, active_partitions: set[TP] | None, timeout: float
    ) -> dict[TP, list[Chunk]]:
        generation, found = self._generation, {}
        for topic in self._pace.due(self._topics):
            tps = {tp for tp in active_partitions or () if tp.topic == topic}
            if not tps or self._in_flight[topic] >= IN_FLIGHT:
                continue
            positions = {tp.partition: self._positions[tp] for tp in tps if tp in self._positions}
            limit = max(1, 2 * self._most[topic] // len(tps))
            try:
                parts = await self.broker.fetch(topic, positions, limit)
            except StoreUnavailable as error:
                self.log.warning("cannot fetch %s (%s)", topic, error)
                break
            if generation != self._generation or not self.flow_active:
                return {}
            if parts:
                found[TP(topic, min(parts))] = [self._taken(Chunk(topic, parts, generation))]
            else:
                self._pace.drained(topic)
        if not found:
            self._pace.grew(await self.broker.wait(min(timeout, self._pace.wait())))
        return found

    def _taken(self, chunk: Chunk) -> Chunk:
        self._in_flight[chunk.topic] += 1
        for partition, records in chunk.parts.items():
            self._positions[TP(chunk.topic, partition)] = records[-1].offset + 1
        self._pace.took(chunk.topic, full=len(chunk) >= self._most[chunk.topic])
        return chunk

    def _to_message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        offset = chunk.parts[tp.partition][-1].offset
        return ConsumerMessage(
            *(tp.topic, tp.partition, offset, time.time(), 0, [], None, chunk, None, 0, 0, tp),
            generation_id=self._generation,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Chunks leave gaps between their offsets; nothing is computed from them."""

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def topic_partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return self.broker.partitions(topic)

    def key_partition(self, topic: str, key: bytes, partition: int | None = None) -> int:
        """Where a key lives."""
        count = self.broker.partitions(topic)
        return partition if partition is not None else partition_of(key, count)

    def highwater(self, tp: TP) -> int:
        """The end of what has been fetched."""
        return self._positions.get(tp, 0)

    async def highwaters(self, *tps: TP) -> Mapping[TP, int]:
        """The end of each partition."""
        return await self.broker.ends(tps)

    async def earliest_offsets(self, *tps: TP) -> Mapping[TP, int]:
        """Where each partition is read from."""
        return await self.broker.checkpoints(tps)

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are made by the migrations."""


class Producer(base.Producer):  # type: ignore[misc]
    """Faust wants one; agents emit with their transaction instead."""

    async def send(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: a record sent outside the transaction of its cause could be lost or doubled."""
        raise CdpError("emit records with the chunk's transaction: Unit.emit")

    send_and_wait = send

    async def flush(self) -> None:
        """Nothing is ever pending."""

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are made by the migrations."""


class Transport(base.Transport):  # type: ignore[misc]
    """`cdplog://`; the worker sets what it is to have before the app starts."""

    Consumer: ClassVar[type] = Consumer
    Producer: ClassVar[type] = Producer
    driver_version = "cdplog/1"

    broker: Broker
    most: Mapping[str, int]  # records of a topic that make a chunk full
