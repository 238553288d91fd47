"""What the Faust transport asks of a place that keeps topics; two places implement it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from faust.types import TP

from cdp.log.store import Record


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive records of one topic, by partition: what an agent handles in one transaction."""

    topic: str
    parts: Mapping[int, list[Record]]
    generation: int = 0  # of the assignment it was fetched under

    def __len__(self) -> int:
        return sum(len(records) for records in self.parts.values())


class BrokerLost(Exception):
    """The session with the broker, and so every lease, is gone."""


class Broker(Protocol):
    """Topics with dense offsets, and leases that share their partitions among workers."""

    async def start(self) -> None:
        """Open the session that holds the leases."""

    async def stop(self) -> None:
        """Give every lease back."""

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""

    async def fetch(
        self, topic: str, positions: Mapping[int, int], limit: int
    ) -> dict[int, list[Record]]:
        """Up to `limit` records per partition, from these positions on."""

    async def wait(self, timeout: float) -> set[str]:
        """The topics that may have something new, at the latest after `timeout` seconds."""

    def wake(self) -> None:
        """Make `wait` return."""

    async def checkpoints(self, tps: Collection[TP]) -> dict[TP, int]:
        """The next offset to handle in each partition."""

    async def ends(self, tps: Collection[TP]) -> dict[TP, int]:
        """The offset that the next record appended to each partition will have."""

    async def share(self, topics: Collection[str]) -> set[TP]:
        """The partitions this worker should hold, given who else is alive."""

    async def acquire(self, tps: Collection[TP]) -> set[TP]:
        """Lease as many of these as nobody else holds."""

    async def release(self, tps: Collection[TP]) -> None:
        """Give leases back."""
