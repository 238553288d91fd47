"""A database that is closed leaves no connection behind, whoever still had one."""

from __future__ import annotations

import asyncio
import gc
import warnings

from cdp.db import Database, named
from cdp.instance import Running


async def closed_while_asked(url: str) -> None:
    database = Database(url)
    asking = asyncio.create_task(database.rows(named("select pg_sleep(0.3)")))
    await asyncio.sleep(0.1)
    await database.close()
    await asking


async def test_a_connection_that_somebody_still_has_is_waited_for(running: Running) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        await closed_while_asked(running.database_url)
        gc.collect()
    assert [str(each.message) for each in told] == []


async def test_but_not_for_ever(running: Running) -> None:
    database = Database(running.database_url)
    asking = asyncio.create_task(database.rows(named("select pg_sleep(60)")))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(30):
        await database.close()
    assert not asking.done()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
