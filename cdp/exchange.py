"""Puts tables of one schema in the place of another's, whose indexes go on under their names."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeAlias

from cdp.db import Connection, named

# What a table's index does: unique or not, on which table, and the rest of its definition.
_Shape: TypeAlias = tuple[str, str, str]

_INDEXES = named(
    """
    select tablename, indexname, indexdef from pg_indexes
     where schemaname = :schema and tablename = any(:tables)
    """
)
_DEFINITION = re.compile(r"CREATE (UNIQUE )?INDEX .+? ON \S+ (USING .+)")


async def exchange(connection: Connection, schema: str, tables: Collection[str]) -> None:
    """Drop the public tables and make the other schema's public.

    `create table … (like …)` names indexes anew, and a migration would not find them by theirs.
    """
    names = await _indexes(connection, "public", tables)
    copies = await _indexes(connection, schema, tables)
    for table in tables:
        await connection.exec_driver_sql(f"drop table public.{table}")
        await connection.exec_driver_sql(f"alter table {schema}.{table} set schema public")
    for shape, copy in copies.items():
        if copy != names[shape]:
            rename = f'alter index public."{copy}" rename to "{names[shape]}"'
            await connection.exec_driver_sql(rename)


async def _indexes(
    connection: Connection, schema: str, tables: Collection[str]
) -> dict[_Shape, str]:
    found = {}
    values = {"schema": schema, "tables": list(tables)}
    for table, name, definition in await connection.execute(_INDEXES, values):
        read = _DEFINITION.fullmatch(definition)
        assert read, definition
        found[table, read[1] or "", read[2]] = name
    return found
