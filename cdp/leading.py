"""One process leads at a time: it holds an advisory lock, and the others wait for it to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from cdp.db import Database
from cdp.errors import StoreUnavailable

SCHEDULER = 0xCD8
RELAY = 0xCDA  # 0xCD9 is the migrations'
_POLL_SECONDS = 1.0


@asynccontextmanager
async def leading(
    database: Database, lock: int, stop: asyncio.Event
) -> AsyncIterator[asyncio.Task[None] | None]:
    """Wait to lead; gives a task that fails when the lead is lost, or None if told to stop."""
    async with database.driver() as session:
        if not await _lead(session, lock, stop):
            yield None
            return
        holding = asyncio.create_task(_until_lost(session))
        try:
            yield holding
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)


async def _lead(session: psycopg.AsyncConnection[Any], lock: int, stop: asyncio.Event) -> bool:
    while not stop.is_set():
        cursor = await session.execute("select pg_try_advisory_lock(%s)", (lock,))
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
