"""The broker over the log and outbox tables, with leases by session advisory locks.

A worker is alive as long as its session holds its member lock; it holds one more lock per
partition. Who is alive is read from pg_locks, so a worker that dies leaves nothing to clean up:
its session ends, and its partitions are free. One that stands still is seen by its session, which
it does not use any more, and the others end that. A lease only spares work; what makes a stale
owner harmless is the checkpoint in the transaction of the state.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Collection, Mapping
from typing import Any, LiteralString

import psycopg
import structlog
from faust.types import TP

from cdp.db import Database, named
from cdp.errors import StoreUnavailable
from cdp.leading import EVICT, IDLE_SECONDS
from cdp.log import store
from cdp.log.store import Record
from cdp.stream import checkpoints, leases
from cdp.stream.bell import CHANNEL, Bell
from cdp.stream.broker import BrokerLost, Driver

GROUP = "group"  # NOTIFY payload, where else a topic is: who is alive has changed

_MEMBERS = """
    select objid::bigint from pg_locks
     where locktype = 'advisory' and granted and classid = %s
       and database = (select oid from pg_database where datname = current_database())
     order by objid
"""

log = structlog.get_logger(__name__)


class PostgresBroker:
    """One worker's view of the topics. All session work runs in the one `_session` task."""

    driver = Driver()

    def __init__(self, database: Database, partitions: int) -> None:
        self._database = database
        self._partitions = partitions
        self._member = random.getrandbits(31)
        self._session: psycopg.AsyncConnection[Any] | None = None
        self._using = asyncio.Lock()
        self._looked = time.monotonic()
        self._bell = Bell(database)

    async def start(self) -> None:
        """Open the session that holds the leases, and join the group. Does nothing when open."""
        if self._session is not None and not self._session.closed:
            return
        try:
            name = f"{leases.NAME}{socket.gethostname()[:40]}/{os.getpid()}"
            self._session = await self._database.connect(name)
        except StoreUnavailable as error:
            raise BrokerLost(str(error)) from error
        await self._ask("select pg_advisory_lock(%s, %s)", leases.MEMBER, self._member)
        await self._ask("select pg_notify(%s, %s)", CHANNEL, GROUP)
        self._bell.start()

    async def stop(self) -> None:
        """Leave: closing the session frees every lease."""
        await self._bell.stop()
        if self._session is not None and not self._session.closed:
            await self._session.close()
            await self._announce()

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return self._partitions

    def hold(self, tps: Collection[TP]) -> None:
        """Nothing to prepare: every fetch is a query of its own."""

    def flowing(self) -> bool:
        """Always: a fetch sees what is there."""
        return True

    async def fetch(
        self, topic: str, positions: Mapping[int, int], limit: int
    ) -> dict[int, list[Record]]:
        """Up to `limit` records per partition, from these positions on."""
        async with self._database.autocommit() as connection:
            return await store.read(connection, topic, positions, limit)

    async def wait(self, timeout: float) -> set[str]:
        """The topics that grew."""
        return await self._bell.wait(timeout)

    def wake(self) -> None:
        """Make `wait` return."""
        self._bell.ring()

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

    async def share(self, topics: Collection[str]) -> set[TP]:
        """Partition p belongs to the (p mod n)-th of the n live members."""
        if time.monotonic() - self._looked > IDLE_SECONDS / 2:
            self._looked = time.monotonic()
            if await self._ask(EVICT, leases.MEMBER, IDLE_SECONDS):
                log.warning("evicted", who="a worker that has stopped")
        members = [row[0] for row in await self._ask(_MEMBERS, leases.MEMBER)]
        if self._member not in members:
            raise BrokerLost("the member lock is gone")
        mine = members.index(self._member)
        owned = [p for p in range(self._partitions) if p % len(members) == mine]
        return {TP(topic, partition) for topic in topics for partition in owned}

    async def acquire(self, tps: Collection[TP]) -> set[TP]:
        """Lease as many of these as nobody else holds."""
        got = set()
        for tp in sorted(tps):
            rows = await self._ask("select pg_try_advisory_lock(%s, %s)", *leases.lease(*tp))
            if rows[0][0]:
                got.add(tp)
        return got

    async def release(self, tps: Collection[TP]) -> None:
        """Give leases back and tell the others."""
        for tp in sorted(tps):
            await self._ask("select pg_advisory_unlock(%s, %s)", *leases.lease(*tp))
        if tps:
            await self._ask("select pg_notify(%s, %s)", CHANNEL, GROUP)

    async def _ask(self, sql: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        session = self._session
        if session is None or session.closed:
            raise BrokerLost("no session")
        try:
            async with self._using:
                return await (await session.execute(sql, values)).fetchall()
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
            await session.close()  # whatever state it is in: the leases go with it
            raise BrokerLost(type(error).__name__) from error

    async def _announce(self) -> None:
        try:
            await self._database.rows(named(f"select pg_notify('{CHANNEL}', '{GROUP}')"))
        except StoreUnavailable as error:
            log.info("leave_not_announced", error=str(error))  # the others see it by polling
