"""Statements that go past SQLAlchemy: what they give, and what is left when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import DataError, IntegrityError, MultipleResultsFound, NoResultFound

from cdp.db import Database, named
from cdp.errors import StoreUnavailable
from cdp.instance import Running

ADD = named("insert into noted values (:number, '50% of ''a:b''')")
COUNT = named("select count(*) from noted")
SERIES = named("select n, cast(n as text) from generate_series(1, cast(:most as int)) n order by 1")


@pytest.fixture
async def database(running: Running) -> AsyncIterator[Database]:
    made = Database(running.database_url, pool_size=1)
    async with made.transaction() as connection:
        await connection.execute(named("create table noted (number int primary key, said text)"))
    yield made
    async with made.transaction() as connection:
        await connection.execute(named("drop table noted"))
    await made.close()


async def noted(database: Database) -> int:
    return int((await database.rows(COUNT))[0][0])


async def test_what_a_statement_gives(database: Database) -> None:
    async with database.transaction() as connection:
        rows = await connection.execute(SERIES, {"most": 2})
        assert list(rows) == rows.all() == [(1, "1"), (2, "2")]
        assert (rows.first(), rows.scalar(), rows.rowcount) == ((1, "1"), 1, 2)
        with pytest.raises(MultipleResultsFound):
            rows.one()
        one = await connection.execute(SERIES, {"most": 1})
        assert (one.one(), one.scalar_one(), one.scalar_one_or_none()) == ((1, "1"), 1, 1)
        none = await connection.execute(SERIES, {"most": 0})
        assert (none.first(), none.scalar(), none.scalar_one_or_none()) == (None, None, None)
        with pytest.raises(NoResultFound):
            none.scalar_one()
        added = await connection.execute(ADD, {"number": 1})
        assert (added.rowcount, added.all()) == (1, [])
    assert await database.rows(named("select said from noted")) == [("50% of 'a:b'",)]


async def test_a_transaction_is_all_or_nothing_and_a_single_statement_is_at_once(
    database: Database,
) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(ADD, {"number": 1})
            await connection.execute(ADD, {"number": 1})
    assert await noted(database) == 0
    with pytest.raises(IntegrityError):
        async with database.autocommit() as connection:
            await connection.execute(ADD, {"number": 1})
            assert await noted(database) == 1  # another connection sees it
            await connection.execute(ADD, {"number": 1})
    with pytest.raises(DataError):
        async with database.transaction() as connection:  # on the same connection as that
            await connection.execute(ADD, {"number": 2})
            await connection.execute(ADD, {"number": 1 << 40})
    assert await noted(database) == 1


async def test_who_is_called_off_leaves_nothing_half_done(database: Database) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as connection:
            await connection.execute(ADD, {"number": 1})
            begun.set()
            await connection.execute(named("select pg_sleep(60)"))

    task = asyncio.create_task(work())
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await noted(database) == 0


async def test_a_connection_that_is_lost_is_not_used_again(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        async with database.transaction() as connection:
            await connection.execute(ADD, {"number": 1})
            await connection.execute(named("select pg_terminate_backend(pg_backend_pid())"))
    assert await noted(database) == 0
    with pytest.raises(StoreUnavailable):
        await database.rows(named("select pg_terminate_backend(pg_backend_pid())"))
    assert await noted(database) == 0
