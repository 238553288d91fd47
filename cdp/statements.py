"""Runs named statements on SQLAlchemy's connections, at half the price of having it do that.

It keeps the pool, the transactions and the errors. What it would do around a statement, for typed
columns and other databases, takes longer than the driver takes for all of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, NoReturn, Self

import sqlalchemy
from psycopg import AsyncConnection as Driver
from psycopg import AsyncCursor
from psycopg import Error as DriverError
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Sequence[Any]
_DIALECT = psycopg.dialect()  # type: ignore[no-untyped-call]


class Rows:
    """What a statement gave, all of it at hand."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Row], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def all(self) -> list[Row]:
        """Every row."""
        return self._rows

    def first(self) -> Row | None:
        """The first row, if there is one."""
        return self._rows[0] if self._rows else None

    def one(self) -> Row:
        """The only row."""
        if len(self._rows) == 1:
            return self._rows[0]
        raise MultipleResultsFound if self._rows else NoResultFound

    def scalar_one(self) -> Any:
        """The first column of the only row."""
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """Likewise; None if there is no row."""
        return self.one()[0] if self._rows else None

    def scalar(self) -> Any:
        """The first column of the first row; None if there is no row."""
        return self._rows[0][0] if self._rows else None


class Connection(AsyncConnection):
    """One of SQLAlchemy's."""

    __slots__ = ("_at_hand",)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def execute(  # type: ignore[override]
        self, statement: TextClause, values: Mapping[str, Any] | None = None
    ) -> Rows:
        """Run a statement; what goes wrong is one of SQLAlchemy's errors."""
        sql = _written(statement.text)
        cursor = await self._cursor()
        try:
            await cursor.execute(sql, values or {})
            rows = await cursor.fetchall() if cursor.description is not None else []
            return Rows(rows, cursor.rowcount)
        except BaseException as error:  # noqa: BLE001 - all of them are raised
            await self._failed(error, sql)

    @asynccontextmanager
    async def by_statement(self) -> AsyncIterator[None]:
        """Meanwhile every statement commits by itself."""
        driver = (await self._cursor()).connection
        await driver.set_autocommit(True)
        try:
            yield
        finally:
            if not driver.closed:
                await driver.set_autocommit(False)

    async def _failed(self, error: BaseException, sql: str) -> NoReturn:
        """As SQLAlchemy sees it; after a lost line or a cancellation the connection is given up."""
        said = sql if isinstance(error, DriverError) else None
        await self.run_sync(_handled, error, said)
        raise error

    async def _cursor(self) -> AsyncCursor[Any]:
        try:
            return self._at_hand
        except AttributeError:
            driver = (await self.get_raw_connection()).driver_connection
            assert isinstance(driver, Driver)
            self._at_hand: AsyncCursor[Any] = driver.cursor()
            return self._at_hand


def _handled(connection: sqlalchemy.Connection, error: BaseException, sql: str | None) -> NoReturn:
    try:
        raise error  # this is another stack, where nothing is wrong yet
    except BaseException:  # noqa: BLE001 - likewise
        connection._handle_dbapi_exception(error, sql, None, None, None)


@lru_cache(maxsize=2000)
def _written(sql: str) -> str:
    """As the driver wants it: `:name` is `%(name)s` there."""
    return str(sqlalchemy.text(sql).compile(dialect=_DIALECT))
