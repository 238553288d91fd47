"""What reads topics on Kafka: in a worker Faust's driver, and where no group is, a client alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from cdp.cluster import Cluster
from cdp.events import TOPICS
from cdp.stream.kafka.topics import connection, translated

FETCH_WAIT_MS = 250  # a partition that is sought waits as long for the fetch that is on its way


class NotOurs(Exception):
    """The group has taken the partition back meanwhile."""


class Reader(Protocol):
    """Topics go by our names here; offsets are Kafka's."""

    async def bounds(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        """The first offset that is kept of each partition, and the one its next record gets."""

    async def seek(self, offsets: Mapping[TP, int]) -> None:
        """Go on from there; NotOurs if any of the partitions is not ours any more."""

    async def take(self, tps: Collection[TP], timeout: float, most: int) -> Mapping[TP, list[Any]]:
        """Up to `most` ConsumerRecords, as soon as there are any; none after `timeout` seconds.

        NotOurs if any of the partitions is not ours any more.
        """


class ClientReader:
    """A Reader over an aiokafka consumer that runs in this loop."""

    def __init__(self, consumer: AIOKafkaConsumer, cluster: Cluster) -> None:
        self._consumer = consumer
        self._cluster = cluster

    async def bounds(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        """The first offset that is kept of each partition, and the one its next record gets."""
        theirs = [self._theirs(tp) for tp in tps]
        with translated():
            firsts = await self._consumer.beginning_offsets(theirs)
            ends = await self._consumer.end_offsets(theirs)
        return {tp: (firsts[each], ends[each]) for tp, each in zip(tps, theirs, strict=True)}

    async def seek(self, offsets: Mapping[TP, int]) -> None:
        """Go on from there; NotOurs if any of the partitions is not ours any more."""
        theirs = self._held(offsets)
        for each, tp in theirs.items():
            self._consumer.seek(each, offsets[tp])

    async def take(self, tps: Collection[TP], timeout: float, most: int) -> Mapping[TP, list[Any]]:
        """Up to `most` ConsumerRecords, as soon as there are any; none after `timeout` seconds."""
        theirs = self._held(tps)
        with translated():
            found = await self._consumer.getmany(
                *theirs, timeout_ms=int(timeout * 1000), max_records=most
            )
        return {theirs[each]: records for each, records in found.items()}

    def _held(self, tps: Collection[TP]) -> dict[TopicPartition, TP]:
        theirs = {self._theirs(tp): tp for tp in tps}
        if not self._consumer.assignment() >= theirs.keys():
            raise NotOurs
        return theirs

    def _theirs(self, tp: TP) -> TopicPartition:
        return TopicPartition(self._cluster.name(tp.topic), tp.partition)


class Alone(ClientReader):
    """Reads every partition, in no group."""

    def __init__(self, cluster: Cluster, partitions: int) -> None:
        consumer = AIOKafkaConsumer(
            **connection(cluster), auto_offset_reset="latest", fetch_max_wait_ms=FETCH_WAIT_MS
        )
        super().__init__(consumer, cluster)
        self._tps = [TP(topic, partition) for topic in TOPICS for partition in range(partitions)]

    async def start(self) -> None:
        """Connect."""
        with translated():
            await self._consumer.start()
        self._consumer.assign([self._theirs(tp) for tp in self._tps])

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
