"""One clock for all processes: the database's.

A host whose own clock is wrong would otherwise make events older than they are, and people leave
segments too early. What a process knows of the difference is renewed every half a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from cdp import times
from cdp.db import Database, named
from cdp.errors import StoreUnavailable
from cdp.stopping import alongside

EVERY_SECONDS = 30.0
_TOLERATED = times.SECOND // 4  # a smaller difference may be the network's

_NOW = named("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")

log = structlog.get_logger(__name__)


@asynccontextmanager
async def following(database: Database) -> AsyncIterator[None]:
    """Keep to the database's clock for as long as the block lasts."""
    await _adjust(database)
    async with alongside(_follow(database)):
        yield


async def _follow(database: Database) -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await _adjust(database)


async def _adjust(database: Database) -> None:
    try:
        before = time.time_ns() // 1000
        ((theirs,),) = await database.rows(_NOW)
        after = time.time_ns() // 1000
    except StoreUnavailable as error:
        log.info("clock_not_compared", error=str(error))
        return
    ahead = (before + after) // 2 - theirs
    if abs(ahead) <= _TOLERATED + (after - before):
        ahead = 0
    elif ahead != times.ahead():
        log.warning("clock_differs", ahead_seconds=round(ahead / times.SECOND, 1))
    times.set_ahead(ahead)
