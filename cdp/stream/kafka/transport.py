"""Faust's own Kafka driver, with our drain: it keeps the group, we say what is read.

The driver runs aiokafka in a thread of its own. On that side of the thread topics have their names
on the cluster, on this side ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

from faust.transport.drivers import aiokafka
from faust.types import TP
from mode.threads import WorkerThread

from cdp.stream.drain import ChunkDrain, Producer
from cdp.stream.kafka.broker import KafkaBroker
from cdp.stream.kafka.reader import FETCH_WAIT_MS, ClientReader


class _Daemon(WorkerThread):  # type: ignore[misc]
    """Does not keep a process alive that has come to its end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True


class Thread(aiokafka.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The driver's thread, as a Reader."""

    Worker = _Daemon

    async def on_start(self) -> None:
        """In the thread: connect, and join the group once subscribed."""
        await super().on_start()
        self._client = ClientReader(self._consumer, self.consumer.topics.cluster)

    def _create_worker_consumer(self, transport: Any) -> Any:
        """As the driver makes it, but for how long a fetch may wait, which it does not let say."""
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def bounds(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        """The first offset that is kept of each partition, and the one its next record gets."""
        found: dict[TP, tuple[int, int]] = await self.call_thread(self._client.bounds, tps)
        return found

    async def seek(self, offsets: Mapping[TP, int]) -> None:
        """Go on from there."""
        await self.call_thread(self._client.seek, offsets)

    async def take(self, tps: Collection[TP], timeout: float, most: int) -> Mapping[TP, list[Any]]:
        """Up to `most` ConsumerRecords, as soon as there are any; none after `timeout` seconds."""
        found: Mapping[TP, list[Any]] = await self.call_thread(
            self._client.take, tps, timeout, most
        )
        return found

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics."""
        cluster = self.consumer.topics.cluster
        await super().subscribe({cluster.name(topic) for topic in topics})

    def assignment(self) -> set[TP]:
        """What the group gave us."""
        return self._ours(super().assignment())

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """The group takes these back."""
        await super().on_partitions_revoked(self._ours(revoked))

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """The group gives us these."""
        await super().on_partitions_assigned(self._ours(assigned), generation_id)

    def _ours(self, tps: Iterable[TP]) -> set[TP]:
        start = len(self.consumer.topics.cluster.name(""))
        return {TP(tp.topic[start:], tp.partition) for tp in tps}


class Consumer(ChunkDrain, aiokafka.Consumer):  # type: ignore[misc]
    """Fetches chunks for the partitions that the group gave this worker."""

    topics: KafkaBroker

    def __init__(self, transport: Transport, *args: Any, **kwargs: Any) -> None:
        self.topics = transport.topics
        super().__init__(transport, *args, **kwargs)

    def _new_consumer_thread(self) -> Thread:
        thread = Thread(self, loop=self.loop, beacon=self.beacon)
        self.topics.attach(thread)
        return thread

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group."""
        await self.topics.start()
        await self._thread.subscribe(topics)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Nothing is ours until the group has settled."""
        self.topics.hold(())
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Go on from the checkpoints, whatever was at hand."""
        self.begin(assigned, {tp.topic for tp in assigned})
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_stop(self) -> None:
        """Read no more; the thread leaves the group."""
        await self.topics.stop()
        await super().on_stop()

    def assignment(self) -> set[TP]:
        """The partitions that the group gave this worker."""
        held: set[TP] = self._thread.assignment()
        return held


class Transport(aiokafka.Transport):  # type: ignore[misc]
    """`cdpkafka://`; the worker sets what it is to have before the app starts."""

    Consumer: ClassVar[type] = Consumer
    Producer: ClassVar[type] = Producer

    topics: KafkaBroker
    most: Mapping[str, int]  # records of a topic that make a chunk full
