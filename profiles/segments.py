"""Segments as a resource: their SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named
from profiles import defining
from profiles.language.conditions import counters
from profiles.language.parsing import parse

_FIELDS = ", ".join(
    (
        "id, key, name, purpose, wanted, active, build, version, created_at, updated_at",
        "(select count(*) from memberships m where m.segment = d.id)",
        "(select b.state from builds b where b.id = d.build)",
        defining.PROGRESS,
    )
)
_ALL = named(f"select {_FIELDS} from segments d order by key")  # noqa: S608 - our own constant
_ONE = named(f"select {_FIELDS} from segments d where key = :key")  # noqa: S608
_KEYS = named("select id, key from segments")
_PUT = named(
    """
    insert into segments (key, name, purpose, wanted, build, version)
    values (:key, :name, :purpose, cast(:wanted as json), :build, :version)
    on conflict (key) do update
       set name = excluded.name, purpose = excluded.purpose, wanted = excluded.wanted,
           build = excluded.build, version = excluded.version, updated_at = now()
    """
)
_RENAME = named("update segments set name = :name, updated_at = now() where key = :key")
_DELETE = named("delete from segments where key = :key returning id")
_LEAVE = named("delete from memberships where segment = :segment")


class Segment(NamedTuple):
    """A segment as people see it. `active` is what is evaluated while `wanted` is being built."""

    id: int
    key: str
    name: str
    purpose: str
    wanted: dict[str, Any]
    active: dict[str, Any] | None
    build: int
    version: int
    created_at: datetime
    updated_at: datetime
    size: int
    build_state: str  # counting, touching or done
    progress: float  # of the build, 0 to 1


async def listed(connection: Connection) -> list[Segment]:
    """Every segment, by key."""
    return [Segment(*row) for row in await connection.execute(_ALL)]


async def keys(connection: Connection) -> dict[int, str]:
    """The key of every segment, by its number."""
    return {row[0]: row[1] for row in await connection.execute(_KEYS)}


async def find(connection: Connection, key: str) -> Segment | None:
    """One segment."""
    row = (await connection.execute(_ONE, {"key": key})).first()
    return Segment(*row) if row else None


async def put(
    connection: Connection, key: str, name: str, purpose: str, where: Mapping[str, Any]
) -> bool:
    """Create or change a segment; True if that changes who is in it, which starts a build."""
    await defining.bump(connection)
    known = await find(connection, key)
    if known and known.wanted == where and known.purpose == purpose:
        await connection.execute(_RENAME, {"key": key, "name": name})
        return False
    build = await defining.start_build(connection, f"segment {key}", counters(parse(where)))
    version = await defining.keep_version(
        connection, kind="segment", key=key, name=name, purpose=purpose, definition=where
    )
    wanted = msgspec.json.encode(where).decode()
    values = {"key": key, "name": name, "purpose": purpose, "wanted": wanted, "build": build}
    await connection.execute(_PUT, {**values, "version": version})
    return True


async def delete(connection: Connection, key: str) -> bool:
    """Remove a segment and its memberships; the ledger of what was decided stays."""
    await defining.bump(connection)
    row = (await connection.execute(_DELETE, {"key": key})).first()
    if row is None:
        return False
    await connection.execute(_LEAVE, {"segment": row[0]})
    await defining.drop_unused_counters(connection)
    return True
