"""The door to PostgreSQL: one pool, transactions, and drivers' errors in our own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, LiteralString

import msgspec
from psycopg import AsyncConnection as Driver
from psycopg import AsyncCursor
from psycopg import Error as DriverError
from psycopg import InterfaceError as DriverInterfaceError
from psycopg import OperationalError as DriverOperationalError
from psycopg.pq import Format
from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cdp.arrays import ListDumper
from cdp.errors import ConfigurationError, StoreUnavailable

__all__ = ["Connection", "Database", "Row", "named", "normal_url"]

Connection = AsyncConnection
Row = Sequence[Any]

_TRANSIENT = (
    OperationalError,
    InterfaceError,
    PoolTimeout,
    DriverOperationalError,
    DriverInterfaceError,
    ConnectionError,
)


class BinaryCursor(AsyncCursor[Any]):
    """Asks for binary results: no hexadecimal detour for sealed payloads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.format = Format.BINARY


@contextmanager
def translated() -> Iterator[None]:
    """Turn what may pass by itself (lost connection, deadlock, full pool) into StoreUnavailable."""
    try:
        yield
    except _TRANSIENT as error:
        cause = getattr(error, "orig", None) or error
        code = cause.sqlstate if isinstance(cause, DriverError) else None
        raise StoreUnavailable(f"{type(cause).__name__} {code or ''}".strip()) from error


def normal_url(url: str) -> str:
    """`postgres://…` and `postgresql://…` both mean psycopg 3 here."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigurationError("CDP_DATABASE_URL must look like postgresql://user:pass@host/db")
    return f"postgresql+psycopg://{rest}"


def named(sql: LiteralString) -> TextClause:
    """A named statement; stores keep theirs together at the top of the file."""
    return text(sql)


class Database:
    """A pool of connections; tables are looked up in `schema` first (a replay beside the live)."""

    def __init__(self, url: str, *, pool_size: int = 5, schema: str = "") -> None:
        self.url = normal_url(url)
        self.driver_url = self.url.replace("+psycopg", "", 1)
        options = {"application_name": "cdp"}
        if schema:
            options["options"] = f"-csearch_path={schema},public"
        self._engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            hide_parameters=True,  # an error that is logged says nothing of anybody
            connect_args={"cursor_factory": BinaryCursor, "connect_timeout": 5, **options},
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
        )
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        adapters = self._engine.dialect._psycopg_adapters_map  # type: ignore[attr-defined]
        adapters.register_dumper(list, ListDumper)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: commits on leaving, rolls back on any exception."""
        with translated():
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Connection]:
        """A connection on which every statement commits by itself: for single ones."""
        with translated():
            async with self._single.connect() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A read-only transaction that sees one moment throughout."""
        with translated():
            async with self._engine.connect() as plain:
                connection = await plain.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Driver[Any]]:
        """A raw psycopg connection of one's own, in autocommit, for leases and LISTEN."""
        with translated():
            connection = await Driver.connect(
                self.driver_url, autocommit=True, connect_timeout=5, application_name="cdp"
            )
        try:
            yield connection
        finally:
            await connection.close()

    async def rows(self, statement: TextClause, **values: object) -> Sequence[Row]:
        """Run one statement and return what it gives."""
        async with self.autocommit() as connection:
            result: CursorResult[Any] = await connection.execute(statement, values)
            return result.fetchall() if result.returns_rows else ()

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()
