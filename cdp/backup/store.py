"""The SQL of backups: what there is, as of one moment, and rows as PostgreSQL copies them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import sql

from cdp.backup.tables import ONLY, WHOLE, Log
from cdp.db import normal_url, translated

Connection: TypeAlias = psycopg.Connection[Any]

_COLUMNS = """
    select attname from pg_attribute
     where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''
     order by attnum
"""
_HEADS = "select partition, next_offset from heads where topic = %s order by partition"
_META = "select key, value from meta"
_REVISION = "select version_num from alembic_version"
_LAG = """
    select h.topic, sum(h.next_offset - c.next_offset)::bigint
      from heads h join checkpoints c using (topic, partition) group by 1 order by 1
"""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection of one's own, in autocommit; StoreUnavailable when it cannot be, or is lost."""
    plain = normal_url(url).replace("+psycopg", "", 1)
    with (
        translated(),
        psycopg.connect(
            plain, autocommit=True, connect_timeout=5, application_name="cdp backup"
        ) as connection,
    ):
        yield connection


@contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """Everything read inside is as of one moment; no table is exchanged for another meanwhile.

    The locks come first: a repeatable read begins with the first query, and would find empty what
    was put in a table's place after that.
    """
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        tables = sql.SQL(", ").join(map(sql.Identifier, WHOLE))
        connection.execute(sql.SQL("lock table {} in access share mode").format(tables))
        yield


def columns(connection: Connection, table: str) -> list[str]:
    """The columns of a table, in order."""
    return [row[0] for row in connection.execute(_COLUMNS, (f"public.{table}",))]


def heads(connection: Connection, topic: str) -> dict[int, int]:
    """Where each partition of a log ends."""
    return dict(connection.execute(_HEADS, (topic,)).fetchall())


def meta(connection: Connection) -> dict[str, bytes]:
    """What the instance was born with."""
    return {key: bytes(value) for key, value in connection.execute(_META)}


def revision(connection: Connection) -> str:
    """The migration that the tables are of."""
    row = connection.execute(_REVISION).fetchone()
    return str(row[0]) if row else ""


def lag(connection: Connection) -> dict[str, int]:
    """Records per topic that no agent has handled yet."""
    return dict(connection.execute(_LAG).fetchall())


def whole(connection: Connection, table: str, names: list[str]) -> Iterator[bytes]:
    """Every row of a table that is needed."""
    picked = sql.SQL(ONLY.get(table, ""))
    query = sql.SQL("select {} from {}{}").format(_list(names), sql.Identifier(table), picked)
    return _copied(connection, query)


def stretch(
    connection: Connection, log: Log, names: list[str], partition: int, bounds: tuple[int, int]
) -> Iterator[bytes]:
    """The rows of a log from one offset up to another."""
    query = sql.SQL('select {} from {} where {} "offset" >= {} and "offset" < {} order by "offset"')
    return _copied(
        connection,
        query.format(
            _list(names),
            sql.Identifier(log.table),
            _in(log, partition),
            sql.Literal(bounds[0]),
            sql.Literal(bounds[1]),
        ),
    )


def row_at(connection: Connection, log: Log, partition: int, offset: int) -> str:
    """Which row of a log is at an offset; empty if there is none."""
    query = sql.SQL("select encode({}, 'hex') from {} where {} \"offset\" = {}").format(
        sql.Identifier(log.key),
        sql.Identifier(log.table),
        _in(log, partition),
        sql.Literal(offset),
    )
    row = connection.execute(query).fetchone()
    return str(row[0]) if row else ""


def put(connection: Connection, table: str, names: list[str], blocks: Iterable[bytes]) -> int:
    """Write what was copied; returns the number of rows."""
    query = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier(table), _list(names)
    )
    cursor = connection.cursor()
    with cursor.copy(query) as copy:
        for block in blocks:
            copy.write(block)
    return cursor.rowcount


def _copied(connection: Connection, query: sql.Composed) -> Iterator[bytes]:
    with connection.cursor().copy(
        sql.SQL("copy ({}) to stdout (format binary)").format(query)
    ) as c:
        yield from (bytes(block) for block in c)


def _in(log: Log, partition: int) -> sql.Composable:
    if not log.partitioned:
        return sql.SQL("")
    return sql.SQL("partition = {} and").format(sql.Literal(partition))


def _list(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
