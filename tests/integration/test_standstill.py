"""Who stands still without dying holds nobody up: its session is ended, and its place is free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from faust.types import TP

from cdp import leading as leading_module
from cdp.db import Database, named
from cdp.errors import StoreUnavailable
from cdp.events import TOUCHED
from cdp.instance import Running
from cdp.leading import leading
from cdp.locks import Lock
from cdp.stream import postgres
from cdp.stream.broker import BrokerLost
from cdp.stream.postgres import PostgresBroker
from tests.support.stores import PARTITIONS

EVERYTHING = {TP(TOUCHED, partition) for partition in range(PARTITIONS)}


@pytest.fixture
async def database(running: Running) -> AsyncIterator[Database]:
    opened = Database(running.database_url)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle is who has not used its session for 2 seconds."""
    monkeypatch.setattr(leading_module, "IDLE_SECONDS", 2)
    monkeypatch.setattr(postgres, "IDLE_SECONDS", 2)


async def test_a_leader_that_stands_still_is_succeeded(database: Database) -> None:
    async with database.driver() as still:
        await still.execute("select pg_advisory_lock(%s)", (int(Lock.SCHEDULER),))
        async with asyncio.timeout(10), leading(database, Lock.SCHEDULER, asyncio.Event()) as lead:
            assert lead is not None
        with pytest.raises(Exception, match="terminating connection"):
            await still.execute("select 1")


async def test_a_leader_that_goes_on_stays(database: Database) -> None:
    stop = asyncio.Event()
    async with leading(database, Lock.SCHEDULER, asyncio.Event()) as lead:
        assert lead is not None

        async def wait_in_vain() -> bool:
            async with leading(database, Lock.SCHEDULER, stop) as other:
                return other is None

        waiting = asyncio.create_task(wait_in_vain())
        await asyncio.sleep(4)
        assert not waiting.done()
        assert not lead.done()
        stop.set()
        assert await waiting


async def test_partitions_of_a_worker_that_stands_still_go_to_the_others(
    database: Database,
) -> None:
    still, other = (PostgresBroker(database, PARTITIONS) for _ in range(2))
    await still.start()
    assert await still.acquire(EVERYTHING) == EVERYTHING
    await other.start()
    assert await other.acquire(EVERYTHING) == set()
    async with asyncio.timeout(10):
        while await other.share([TOUCHED]) != EVERYTHING:
            await asyncio.sleep(0.2)
    assert await other.acquire(EVERYTHING) == EVERYTHING
    with pytest.raises(BrokerLost):
        await still.share([TOUCHED])
    await still.start()  # it joins again, as somebody else's neighbour
    assert len(await still.share([TOUCHED])) == PARTITIONS // 2
    for broker in (still, other):
        await broker.stop()


async def test_a_transaction_whose_owner_stands_still_lets_go(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        async with database.transaction() as connection:
            await connection.execute(named("set idle_in_transaction_session_timeout = '1s'"))
            await connection.execute(named("select * from heads for update"))
            await asyncio.sleep(1.5)
            await connection.execute(named("select 1"))
    rows = await database.rows(named("show idle_in_transaction_session_timeout"))
    assert rows[0][0] == "20s"
