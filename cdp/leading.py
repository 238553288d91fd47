"""One process leads at a time: it holds an advisory lock, and the others wait for it to end.

A leader uses its session every second. One that does not has stopped, though the kernel keeps its
connection alive: whoever waits ends that session, and the lock is free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
import structlog

from cdp import metrics
from cdp.db import Database
from cdp.errors import StoreUnavailable
from cdp.locks import Lock

IDLE_SECONDS = 10
_ROLES = {Lock.SCHEDULER: "scheduler", Lock.RELAY: "relay"}
_POLL_SECONDS = 1.0

EVICT: LiteralString = """
    select pg_terminate_backend(a.pid) from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and %s = case l.objsubid
           when 1 then (l.classid::bigint << 32) + l.objid::bigint else l.classid::bigint end
       and l.database = (select oid from pg_database where datname = current_database())
       and a.state = 'idle' and now() - a.state_change > make_interval(secs => %s)
"""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def leading(
    database: Database, lock: Lock, stop: asyncio.Event
) -> AsyncIterator[asyncio.Task[None] | None]:
    """Wait to lead; gives a task that fails when the lead is lost, or None if told to stop."""
    async with database.driver() as session:
        leads = metrics.leader.labels(_ROLES[lock])
        leads.set(0)
        if not await _lead(session, lock, stop):
            yield None
            return
        leads.set(1)
        holding = asyncio.create_task(_until_lost(session))
        try:
            yield holding
        finally:
            leads.set(0)
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)


async def _lead(session: psycopg.AsyncConnection[Any], lock: Lock, stop: asyncio.Event) -> bool:
    while not stop.is_set():
        evicting = await session.execute(EVICT, (int(lock), IDLE_SECONDS))
        if await evicting.fetchall():
            log.warning("evicted", who="a leader that has stopped")
        cursor = await session.execute("select pg_try_advisory_lock(%s)", (int(lock),))
        row = await cursor.fetchone()
        if row and row[0]:
            return True
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await stop.wait()
        except TimeoutError:
            continue
    return False


async def _until_lost(session: psycopg.AsyncConnection[Any]) -> None:
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        try:
            await session.execute("select 1")
        except psycopg.Error as error:
            raise StoreUnavailable("the session that makes this one lead is gone") from error
