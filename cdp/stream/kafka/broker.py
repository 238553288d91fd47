"""Topics on Kafka, as the drain asks for them: by the log's offsets, from a worker's group."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import faust
from faust.types import TP

from cdp.cluster import Cluster
from cdp.db import Database
from cdp.log.store import Record
from cdp.stream import checkpoints
from cdp.stream.broker import Driver
from cdp.stream.kafka.line import Line
from cdp.stream.kafka.pump import Pump
from cdp.stream.kafka.reader import Reader
from cdp.stream.kafka.topics import tls

SESSION_SECONDS = 10.0  # after which the partitions of a worker that died go to others
_REBALANCE_SECONDS = 30.0


class KafkaBroker:
    """What a worker reads. Who reads which partition is up to Kafka's group."""

    def __init__(self, database: Database, partitions: int, cluster: Cluster) -> None:
        self.cluster = cluster
        self.driver = Driver(
            urls=tuple(f"cdpkafka://{server}" for server in cluster.servers),
            group=cluster.prefix,
            options={
                "broker_credentials": _credentials(cluster),
                "broker_session_timeout": SESSION_SECONDS,
                "broker_heartbeat_interval": 1.0,  # how soon a worker hears that others came
                "broker_rebalance_timeout": _REBALANCE_SECONDS,
                "consumer_auto_offset_reset": "latest",  # nothing is read before we have sought
                "table_standby_replicas": 0,  # Kafka's own way to share partitions
            },
        )
        self._database = database
        self._partitions = partitions
        self._reader: Reader | None = None
        self._pump: Pump | None = None
        self._pumping: asyncio.Task[None] | None = None
        self._rung = asyncio.Event()
        self._grown: set[str] = set()

    def attach(self, reader: Reader) -> None:
        """What to read with; before `start`."""
        self._reader = reader

    async def start(self) -> None:
        """Read from now on. Does nothing when it does already."""
        if self._pumping is None:
            assert self._reader is not None
            self._pump = Pump(self._database, self.cluster, self._reader, self._came)
            self._pumping = asyncio.create_task(self._pump.run())

    async def stop(self) -> None:
        """Read no more."""
        if self._pumping is not None:
            self._pumping.cancel()
            await asyncio.gather(self._pumping, return_exceptions=True)
            self._pumping = self._pump = None

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return self._partitions

    def hold(self, tps: Collection[TP]) -> None:
        """Forget the others, and what was at hand of them."""
        if self._pump is not None:
            kept = {tp: line for tp, line in self._pump.lines.items() if tp in tps}
            self._pump.lines = kept

    async def fetch(
        self, topic: str, positions: Mapping[int, int], limit: int
    ) -> dict[int, list[Record]]:
        """Up to `limit` records per partition that are at hand; a new position takes a moment."""
        pump = self._working()
        found: dict[int, list[Record]] = {}
        for partition, position in positions.items():
            tp = TP(topic, partition)
            line = pump.lines.get(tp)
            if line is None or line.asked != position:
                pump.lines[tp] = Line(position)
            elif handed := line.hand_over(limit):
                found[partition] = handed
        pump.room.set()
        return found

    async def wait(self, timeout: float) -> set[str]:
        """The topics that have something new, at the latest after `timeout` seconds."""
        self._working()
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()
        grown, self._grown = self._grown, set()
        return grown

    def wake(self) -> None:
        """Make `wait` return."""
        self._rung.set()

    def flowing(self) -> bool:
        """False while something was published and does not come, or the pump stands still."""
        return self._pump is None or self._pump.flowing()

    async def checkpoints(self, tps: Collection[TP]) -> dict[TP, int]:
        """The next offset to handle in each partition."""
        async with self._database.autocommit() as connection:
            every = await checkpoints.positions(connection)
        return {tp: every[tp] for tp in tps}

    async def ends(self, tps: Collection[TP]) -> dict[TP, int]:
        """The offset that the next record appended to each partition will have."""
        async with self._database.autocommit() as connection:
            every = await checkpoints.heads(connection)
        return {tp: every[tp] for tp in tps}

    def _came(self, topic: str) -> None:
        self._grown.add(topic)
        self._rung.set()

    def _working(self) -> Pump:
        """The pump; raises what ended it."""
        assert self._pump is not None
        assert self._pumping is not None
        if self._pumping.done():
            self._pumping.result()
        return self._pump


def _credentials(cluster: Cluster) -> faust.Credentials | None:
    context = tls(cluster) if cluster.tls else None
    if cluster.user:
        return faust.SASLCredentials(
            mechanism=cluster.mechanism,
            username=cluster.user,
            password=cluster.password,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None
