"""The door to PostgreSQL: one pool, transactions, and drivers' errors in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, LiteralString

import msgspec
from psycopg import AsyncConnection as Driver
from psycopg import AsyncCursor
from psycopg import Error as DriverError
from psycopg import InterfaceError as DriverInterfaceError
from psycopg import OperationalError as DriverOperationalError
from psycopg.errors import IdleInTransactionSessionTimeout
from psycopg.pq import Format
from sqlalchemy import TextClause, event, text
from sqlalchemy.exc import DisconnectionError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from cdp.arrays import ListDumper
from cdp.errors import ConfigurationError, StoreUnavailable
from cdp.schema import head
from cdp.statements import Connection, Row

__all__ = ["Connection", "Database", "Driver", "Row", "named", "normal_url"]

NAME = f"cdp {head()}"  # a migration asks who is connected, and what they know

_TRANSIENT = (
    OperationalError,
    InterfaceError,
    PoolTimeout,
    DriverOperationalError,
    DriverInterfaceError,
    ConnectionError,
)
# A line that is cut without a word is noticed by both ends in half a minute; a transaction whose
# owner has stopped in the middle of it holds its locks no longer either.
_OURS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms
}
_THEIRS = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
    "idle_in_transaction_session_timeout": "20s",
}


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
    except InternalError as error:
        if not isinstance(error.orig, IdleInTransactionSessionTimeout):
            raise
        raise StoreUnavailable("this process stood still, and its transaction was ended") from error


def normal_url(url: str) -> str:
    """`postgres://…` and `postgresql://…` both mean psycopg 3 here."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigurationError("CDP_DATABASE_URL must look like postgresql://user:pass@host/db")
    return f"postgresql+psycopg://{rest}"


def mark(check: bytes) -> str:
    """How a master key is told in a session's name."""
    return check.hex()[:8]


def _name(checks: Sequence[bytes]) -> str:
    return " ".join([NAME, *map(mark, checks)])


def named(sql: LiteralString) -> TextClause:
    """A named statement; stores keep theirs together at the top of the file."""
    return text(sql)


_LEAVING_SECONDS = 1.0
_ALIVE = named("select 1")
_UNHURRIED = named("set idle_in_transaction_session_timeout = 0")


class Database:
    """A pool of connections; tables are looked up in `schema` first (a replay beside the live).

    `knows` are the checks of the master keys that this process has: its sessions' name tells them.
    """

    def __init__(
        self, url: str, *, pool_size: int = 5, schema: str = "", knows: Sequence[bytes] = ()
    ) -> None:
        self.url = normal_url(url)
        self._driver_url = self.url.replace("+psycopg", "", 1)
        session = _THEIRS | ({"search_path": f"{schema},public"} if schema else {})
        self._name = _name(knows)
        self._how: dict[str, Any] = {"application_name": NAME, **_OURS}
        self._how["options"] = " ".join(f"-c{name}={value}" for name, value in session.items())
        self._engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            hide_parameters=True,  # an error that is logged says nothing of anybody
            connect_args={"cursor_factory": BinaryCursor, **self._how},
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
        )
        event.listen(self._engine.sync_engine, "do_connect", self._connecting)
        event.listen(self._engine.sync_engine, "checkout", self._taken)
        event.listen(self._engine.sync_engine, "checkin", self._given_back)
        self._back = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        adapters = self._engine.dialect._psycopg_adapters_map  # type: ignore[attr-defined]
        adapters.register_dumper(list, ListDumper)

    async def know(self, checks: Sequence[bytes]) -> None:
        """This process has other master keys now: sessions with the old name are given up."""
        self._name = _name(checks)
        pool = self._engine.pool
        assert isinstance(pool, QueuePool)
        with translated():
            async with AsyncExitStack() as stack:
                for _ in range(pool.checkedin()):
                    await stack.enter_async_context(self._engine.connect())

    def _connecting(self, dialect: Any, record: Any, args: Any, how: dict[str, Any]) -> None:
        how["application_name"] = record.info["name"] = self._name

    def _taken(self, connection: Any, record: Any, proxy: Any) -> None:
        if record.info["name"] != self._name:
            raise DisconnectionError("its name says other keys")  # the pool makes another one

    def _given_back(self, connection: Any, record: Any) -> None:
        self._back.set()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: commits on leaving, rolls back on any exception."""
        with translated():
            async with Connection(self._engine) as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Connection]:
        """A connection on which every statement commits by itself: for single ones."""
        with translated():
            async with Connection(self._engine) as connection, connection.by_statement():
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A read-only transaction that sees one moment throughout."""
        with translated():
            async with Connection(self._engine) as connection:
                # It locks nothing, and may be held for as long as a whole log takes.
                async with connection.by_statement():
                    await connection.execute(_UNHURRIED)
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Driver[Any]]:
        """A connection as `connect` gives, for as long as the block lasts."""
        connection = await self.connect()
        try:
            yield connection
        finally:
            await connection.close()

    async def connect(self, name: str = NAME) -> Driver[Any]:
        """A raw psycopg connection of one's own, in autocommit, for leases and LISTEN."""
        how = self._how | {"application_name": name}
        with translated():
            made = await Driver.connect(self._driver_url, autocommit=True, **how)
        made.adapters.register_dumper(list, ListDumper)
        return made

    async def rows(self, statement: TextClause, **values: object) -> Sequence[Row]:
        """Run one statement and return what it gives."""
        async with self.autocommit() as connection:
            return (await connection.execute(statement, values)).all()

    async def must_answer(self, seconds: float) -> None:
        """StoreUnavailable when the database does not answer in time; asked once for all who ask.

        A question that hangs is left alone: to cancel it, the driver would wait for the server too.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait({self._asking}, timeout=seconds)
        if not done:
            raise StoreUnavailable("the database does not answer")
        self._asking.result()

    async def _ask(self) -> None:
        await self.rows(_ALIVE)

    async def close(self) -> None:
        """Close every connection; those that somebody still has are waited for, a moment.

        What comes back later would be closed by nobody.
        """
        pool = self._engine.pool
        assert isinstance(pool, QueuePool)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVING_SECONDS):
                while pool.checkedout():
                    self._back.clear()
                    await self._back.wait()
        await self._engine.dispose()
