"""What the Faust transports ask of a place that keeps topics: our own tables, or Kafka."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

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


@dataclass(frozen=True, slots=True)
class Driver:
    """How Faust gets at the topics: URLs of its transport, the group's name, other settings."""

    urls: tuple[str, ...] = ("cdplog://",)
    group: str = "cdp"
    options: Mapping[str, Any] = field(default_factory=dict)


class Topics(Protocol):
    """Topics with the log's dense offsets: what the drain asks for."""

    driver: Driver

    async def start(self) -> None:
        """Open what it takes to read."""

    async def stop(self) -> None:
        """Let go of it."""

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""

    def hold(self, tps: Collection[TP]) -> None:
        """These, and no others, will be fetched from now on."""

    async def fetch(
        self, topic: str, positions: Mapping[int, int], limit: int
    ) -> dict[int, list[Record]]:
        """Up to `limit` records per partition, from these positions on."""

    async def wait(self, timeout: float) -> set[str]:
        """The topics that may have something new, at the latest after `timeout` seconds."""

    def wake(self) -> None:
        """Make `wait` return."""

    def flowing(self) -> bool:
        """False while something is known to be there and does not come."""

    async def checkpoints(self, tps: Collection[TP]) -> dict[TP, int]:
        """The next offset to handle in each partition."""

    async def ends(self, tps: Collection[TP]) -> dict[TP, int]:
        """The offset that the next record appended to each partition will have."""


class Broker(Topics, Protocol):
    """Topics whose partitions are shared among workers by leases; Kafka has groups instead."""

    async def share(self, topics: Collection[str]) -> set[TP]:
        """The partitions this worker should hold, given who else is alive."""

    async def acquire(self, tps: Collection[TP]) -> set[TP]:
        """Lease as many of these as nobody else holds."""

    async def release(self, tps: Collection[TP]) -> None:
        """Give leases back."""
