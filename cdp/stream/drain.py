"""How topics are drained into Faust's agents, whatever carries them: chunk by chunk.

What Faust would keep, we keep elsewhere. Its commits mean nothing here: a position is moved in
the transaction of the state, and on every assignment the consumer seeks to those positions.
One message is one chunk, because Faust pays its cost by the message.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from faust.transport import base
from faust.types import TP, ConsumerMessage

from cdp import metrics
from cdp.errors import CdpError, StoreUnavailable
from cdp.log.store import partition_of
from cdp.stream.assignor import Assignor
from cdp.stream.broker import Chunk, Topics
from cdp.stream.pace import Pace

IN_FLIGHT = 2  # chunks per topic: one being handled, one at hand
RETRY_SECONDS = 1.0


class ChunkDrain:
    """Mixed into a Faust consumer, before it."""

    topics: Topics
    app: Any
    log: Any
    flow_active: bool
    _acked: Any
    _acked_index: Any

    def __init__(self, transport: Any, *args: Any, **kwargs: Any) -> None:
        self._most: Mapping[str, int] = transport.most
        self._positions: dict[TP, int] = {}
        self._in_flight: Counter[str] = Counter()
        self._pace = Pace(time.monotonic)
        self._generation = 0
        self.seen_alive = time.monotonic()  # by the watchdog
        super().__init__(transport, *args, **kwargs)  # type: ignore[call-arg]
        self.app.assignor = Assignor(self)

    def assignment(self) -> set[TP]:
        """The partitions this worker has."""
        raise NotImplementedError

    def begin(self, assigned: set[TP], topics: Iterable[str]) -> None:
        """What was fetched under another assignment does not count any more."""
        self._generation += 1
        self._in_flight.clear()
        topics = list(topics)
        for topic in topics:
            held = sum(1 for tp in assigned if tp.topic == topic)
            metrics.partitions.labels(topic).set(held)
            metrics.in_flight.labels(topic).set(0)
        self._pace.grew(topics)
        self.topics.hold(assigned)

    # -- positions live with the state, not here -----------------------------------------------

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every partition to its checkpoint, however long the store is away."""
        while True:
            self.seen_alive = time.monotonic()
            try:
                self._positions = await self.topics.checkpoints(self.assignment())
            except StoreUnavailable as error:
                self.log.warning("no checkpoints yet (%s)", error)
                await asyncio.sleep(RETRY_SECONDS)
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
            metrics.in_flight.labels(chunk.topic).set(self._in_flight[chunk.topic])
            if not self._in_flight[chunk.topic]:
                self._pace.handled(chunk.topic)
            self.topics.wake()

    def _new_offset(self, tp: TP) -> None:
        """Never anything to commit; forget what Faust noted as acknowledged."""
        self._acked[tp].clear()
        self._acked_index[tp].clear()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return True

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust judges by commits; our watchdog by what is fetched."""

    # -- data ----------------------------------------------------------------------------------

    async def _getmany(
        self, active_partitions: set[TP] | None, timeout: float
    ) -> dict[TP, list[Chunk]]:
        if self.topics.flowing():
            self.seen_alive = time.monotonic()
        generation, found = self._generation, {}
        held = active_partitions or set()
        for topic in self._pace.due({tp.topic for tp in held}):
            tps = {tp for tp in held if tp.topic == topic}
            if self._in_flight[topic] >= IN_FLIGHT:
                continue
            positions = {tp.partition: self._positions[tp] for tp in tps if tp in self._positions}
            limit = max(1, 2 * self._most[topic] // len(tps))
            try:
                parts = await self.topics.fetch(topic, positions, limit)
            except StoreUnavailable as error:
                self.log.warning("cannot fetch %s (%s)", topic, error)
                break
            if generation != self._generation or not self.flow_active:
                return {}
            if parts:
                found[TP(topic, min(parts))] = [self._taken(Chunk(topic, parts, generation))]
            if all(len(records) < limit for records in parts.values()):
                self._pace.drained(topic)  # what comes from now on is told
        if not found:
            self._pace.grew(await self.topics.wait(min(timeout, self._pace.wait())))
        return found

    def _taken(self, chunk: Chunk) -> Chunk:
        self._in_flight[chunk.topic] += 1
        metrics.in_flight.labels(chunk.topic).set(self._in_flight[chunk.topic])
        for partition, records in chunk.parts.items():
            self._positions[TP(chunk.topic, partition)] = records[-1].offset + 1
        self._pace.took(chunk.topic, full=len(chunk) >= self._most[chunk.topic])
        return chunk

    def _to_message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        offset = chunk.parts[tp.partition][-1].offset
        return ConsumerMessage(
            *(tp.topic, tp.partition, offset, time.time(), 0, [], None, chunk, None, 0, 0, tp),
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Chunks leave gaps between their offsets; nothing is computed from them."""

    # -- what Faust asks about topics ------------------------------------------------------------

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def topic_partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return self.topics.partitions(topic)

    def key_partition(self, topic: str, key: bytes, partition: int | None = None) -> int:
        """Where a key lives."""
        count = self.topics.partitions(topic)
        return partition if partition is not None else partition_of(key, count)

    def highwater(self, tp: TP) -> int:
        """The end of what has been fetched."""
        return self._positions.get(tp, 0)

    async def highwaters(self, *tps: TP) -> Mapping[TP, int]:
        """The end of each partition."""
        return await self.topics.ends(tps)

    async def earliest_offsets(self, *tps: TP) -> Mapping[TP, int]:
        """Where each partition is read from."""
        return await self.topics.checkpoints(tps)

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are made by the migrations, and on Kafka as declared there."""


class Producer(base.Producer):  # type: ignore[misc]
    """Faust wants one; agents emit with their transaction instead."""

    async def send(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: a record sent outside the transaction of its cause could be lost or doubled."""
        raise CdpError("emit records with the chunk's transaction: Unit.emit")

    send_and_wait = send

    async def flush(self) -> None:
        """Nothing is ever pending."""

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are made by the migrations, and on Kafka as declared there."""
