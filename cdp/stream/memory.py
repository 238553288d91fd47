"""The in-memory twin of the PostgreSQL broker: one worker, for tests of everything above it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from faust.types import TP

from cdp.log.store import Record, partition_of
from cdp.stream.broker import Driver


class MemoryBroker:
    """Topics as lists; `append` wakes the reader, whoever handles chunks moves `committed`."""

    driver = Driver()

    def __init__(self, partitions: int = 4) -> None:
        self._partitions = partitions
        self._topics: dict[TP, list[Record]] = {}
        self._wake = asyncio.Event()
        self._grown: set[str] = set()
        self.committed: dict[TP, int] = {}
        self.held: set[TP] = set()

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        """Add one record."""
        log = self._topics.setdefault(TP(topic, partition_of(key, self._partitions)), [])
        log.append(Record(len(log), key, b"", value))
        self._grown.add(topic)
        self.wake()

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return self._partitions

    def hold(self, tps: Collection[TP]) -> None:
        """Nothing to prepare."""

    def flowing(self) -> bool:
        """Always."""
        return True

    async def fetch(
        self, topic: str, positions: Mapping[int, int], limit: int
    ) -> dict[int, list[Record]]:
        """Up to `limit` records per partition, from these positions on."""
        found = {
            partition: self._topics.get(TP(topic, partition), [])[position : position + limit]
            for partition, position in positions.items()
        }
        return {partition: records for partition, records in found.items() if records}

    async def wait(self, timeout: float) -> set[str]:
        """The topics that something was appended to, at the latest after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
        grown, self._grown = self._grown, set()
        return grown

    def wake(self) -> None:
        """Make `wait` return."""
        self._wake.set()

    async def checkpoints(self, tps: Collection[TP]) -> dict[TP, int]:
        """The next offset to handle in each partition."""
        return {tp: self.committed.get(tp, 0) for tp in tps}

    async def ends(self, tps: Collection[TP]) -> dict[TP, int]:
        """The offset that the next record appended to each partition will have."""
        return {tp: len(self._topics.get(tp, ())) for tp in tps}

    async def share(self, topics: Collection[str]) -> set[TP]:
        """Everything: there is nobody else."""
        return {TP(topic, partition) for topic in topics for partition in range(self._partitions)}

    async def acquire(self, tps: Collection[TP]) -> set[TP]:
        """Lease them all."""
        self.held |= set(tps)
        return set(tps)

    async def release(self, tps: Collection[TP]) -> None:
        """Give leases back."""
        self.held -= set(tps)
