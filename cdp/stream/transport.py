"""Our Faust transport over the log and outbox tables: partitions are shared by lease."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from faust.transport import base
from faust.transport.consumer import Consumer as FaustConsumer
from faust.types import TP
from mode import Service

from cdp.stream.broker import Broker, BrokerLost
from cdp.stream.drain import ChunkDrain, Producer

REJOIN_SECONDS = 1.0
LEASE_SECONDS = 5.0  # how long to wait for the others to let go before starting with less
GROUP_POLL_SECONDS = 1.0


class Consumer(ChunkDrain, FaustConsumer):  # type: ignore[misc]
    """Fetches chunks for the partitions this worker leases."""

    consumer_stopped_errors: ClassVar[tuple[type[BaseException], ...]] = (BrokerLost,)
    topics: Broker

    def __init__(self, transport: Transport, *args: Any, **kwargs: Any) -> None:
        self.topics = transport.topics
        self._held: set[TP] = set()
        self._names: set[str] = set()
        super().__init__(transport, *args, **kwargs)
        self._subscribed = asyncio.Event()

    async def on_stop(self) -> None:
        """Give the partitions back at once, so that others take them within moments."""
        self._held = set()
        await self.topics.stop()

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Remember the topics; assigning them inline would wait for itself in Faust."""
        self._names = set(topics)
        self._subscribed.set()

    @Service.task  # type: ignore[untyped-decorator]
    async def _coordinate(self) -> None:
        await self._subscribed.wait()
        assigned = False
        while not self.should_stop:
            try:
                await self.topics.start()
                share = await self.topics.share(self._names)
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
                self.seen_alive = time.monotonic()
                await self.sleep(REJOIN_SECONDS)

    async def _rebalance(self, share: set[TP]) -> None:
        self.app.on_rebalance_start()
        if self._held:
            await self.on_partitions_revoked(set(self._held))
            await self.topics.release(self._held - share)
        held = self._held & share
        deadline = time.monotonic() + LEASE_SECONDS
        while held != share and not self.should_stop:
            held |= await self.topics.acquire(share - held)
            if time.monotonic() > deadline:
                break  # the next round tries for the rest
            await asyncio.sleep(0.05)
        self._held = held
        self.begin(held, self._names)
        self.app.consumer_generation_id = self._generation
        await self.on_partitions_assigned(set(held), self._generation)

    def assignment(self) -> set[TP]:
        """The partitions this worker leases."""
        return set(self._held)


class Transport(base.Transport):  # type: ignore[misc]
    """`cdplog://`; the worker sets what it is to have before the app starts."""

    Consumer: ClassVar[type] = Consumer
    Producer: ClassVar[type] = Producer
    driver_version = "cdplog/1"

    topics: Broker
    most: Mapping[str, int]  # records of a topic that make a chunk full
