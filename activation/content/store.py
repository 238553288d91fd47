"""The content catalogue's SQL: what was written, by key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named

CHANGED = "cdp_content"  # the channel on which changes are told

_ALL = named("select key, content, updated_at from contents order by key")
_FIND = named("select key, content, updated_at from contents where key = :key")
_PUT = named(
    """
    insert into contents (key, content) values (:key, cast(:content as json))
    on conflict (key) do update set content = excluded.content, updated_at = now()
    returning updated_at
    """
)
_DROP = named("delete from contents where key = :key returning key")
_TELL = named("select pg_notify('cdp_content', cast(:key as text))")


class Stored(NamedTuple):
    """A content as its form was loaded, and when."""

    key: str
    loaded: Mapping[str, Any]
    updated_at: datetime


async def everything(connection: Connection) -> list[Stored]:
    """All of it, by key."""
    return [Stored(*row) for row in await connection.execute(_ALL)]


async def find(connection: Connection, key: str) -> Stored | None:
    """One content."""
    row = (await connection.execute(_FIND, {"key": key})).first()
    return Stored(*row) if row is not None else None


async def put(connection: Connection, key: str, loaded: Mapping[str, Any]) -> Stored:
    """Create or change one."""
    values = {"key": key, "content": msgspec.json.encode(loaded).decode()}
    at: datetime = (await connection.execute(_PUT, values)).scalar_one()
    await connection.execute(_TELL, {"key": key})
    return Stored(key, loaded, at)


async def delete(connection: Connection, key: str) -> bool:
    """Remove one."""
    gone = (await connection.execute(_DROP, {"key": key})).first() is not None
    if gone:
        await connection.execute(_TELL, {"key": key})
    return gone
