"""SQL of an audience's table in somebody else's PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier

from activation.audiences.model import Row
from cdp.events import Instant
from cdp.times import to_datetime

_CREATE = SQL(
    """
    create table {table} (
        segment text not null,
        profile_id uuid not null,
        member boolean not null,
        since timestamptz,
        left_at timestamptz,
        identifiers jsonb not null,
        changed_at timestamptz not null,
        primary key (segment, profile_id)
    )
    """
)
_COLUMNS = "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0"
_ADD_COLUMN = SQL("alter table {table} add column if not exists {column} text")
# Of what comes late, and was overtaken by what happened after it, nothing is written.
_UPSERT = SQL(
    """
    insert into {table} as kept
        (segment, profile_id, member, since, left_at, identifiers, changed_at {columns})
    values (%s, %s, %s, %s, %s, %s, %s {places})
    on conflict (segment, profile_id) do update set
        member = excluded.member, since = coalesce(excluded.since, kept.since),
        left_at = excluded.left_at, identifiers = excluded.identifiers,
        changed_at = excluded.changed_at {updates}
    where kept.changed_at <= excluded.changed_at
    """
)
_REFRESH = SQL(
    """
    update {table} set identifiers = %s, changed_at = %s {updates}
     where profile_id = %s and member and changed_at <= %s
    """
)
_ERASE = SQL("delete from {table} where profile_id = any(%s::uuid[])")


def table_of(name: str) -> Composed:
    """`schema.table`, or `table`, quoted."""
    return SQL(".").join(Identifier(part) for part in name.split("."))


async def prepare(connection: AsyncConnection[Any], name: str, names: Sequence[str]) -> None:
    """Make the table, or the columns of traits that it does not have yet."""
    quoted = ".".join(f'"{part}"' for part in name.split("."))
    found = await (await connection.execute(_COLUMNS, [quoted])).fetchall()
    there = {row[0] for row in found}
    table = table_of(name)
    if not there:
        await connection.execute(_CREATE.format(table=table))
    for each in names:
        if each not in there:
            await connection.execute(_ADD_COLUMN.format(table=table, column=Identifier(each)))


async def put(
    connection: AsyncConnection[Any], name: str, rows: Sequence[Row], names: Sequence[str]
) -> None:
    """Write who is in and who is out."""
    columns = [Identifier(each) for each in names]
    statement = _UPSERT.format(
        table=table_of(name),
        columns=SQL("").join(SQL(", {}").format(each) for each in columns),
        places=SQL("").join(SQL(", %s") for _ in columns),
        updates=SQL("").join(SQL(", {0} = excluded.{0}").format(each) for each in columns),
    )
    values = [
        (
            row.segment,
            row.profile_id,
            row.member,
            _moment(row.since),
            _moment(row.left_at),
            msgspec.json.encode(row.identifiers).decode(),
            _moment(row.at),
            *(row.traits[each] for each in names),
        )
        for row in rows
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(statement, values)


async def refresh(
    connection: AsyncConnection[Any], name: str, rows: Sequence[Row], names: Sequence[str]
) -> None:
    """Write what is known now of people who are in, in all their rows."""
    updates = SQL("").join(SQL(", {} = %s").format(Identifier(each)) for each in names)
    values = [
        (
            msgspec.json.encode(row.identifiers).decode(),
            _moment(row.at),
            *(row.traits[each] for each in names),
            row.profile_id,
            _moment(row.at),
        )
        for row in rows
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(_REFRESH.format(table=table_of(name), updates=updates), values)


async def erase(connection: AsyncConnection[Any], name: str, profiles: Sequence[str]) -> None:
    """Delete whoever was told by these ids, of every segment."""
    await connection.execute(_ERASE.format(table=table_of(name)), [list(profiles)])


def _moment(at: Instant | None) -> Any:
    return None if at is None else to_datetime(at)
