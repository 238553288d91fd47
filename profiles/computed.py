"""Computed traits as a resource: their SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named
from profiles import defining
from profiles.language.conditions import asked
from profiles.language.parsing import measure

_FIELDS = ", ".join(
    (
        "key, name, purpose, wanted, version, created_at, updated_at",
        "(select b.state from builds b where b.id = d.build)",
        defining.PROGRESS,
    )
)
_ALL = named(f"select {_FIELDS} from computed_traits d order by key")  # noqa: S608 - our constant
_ONE = named(f"select {_FIELDS} from computed_traits d where key = :key")  # noqa: S608
_PUT = named(
    """
    insert into computed_traits (key, name, purpose, wanted, build, version)
    values (:key, :name, :purpose, cast(:wanted as json), :build, :version)
    on conflict (key) do update
       set name = excluded.name, purpose = excluded.purpose, wanted = excluded.wanted,
           build = excluded.build, version = excluded.version, updated_at = now()
    """
)
_RENAME = named("update computed_traits set name = :name, updated_at = now() where key = :key")
_DELETE = named("delete from computed_traits where key = :key returning key")


class ComputedTrait(NamedTuple):
    """A computed trait as people see it; until its build is done, it is as it was before."""

    key: str
    name: str
    purpose: str
    wanted: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    build_state: str  # counting, touching or done
    progress: float  # of the build, 0 to 1


async def listed(connection: Connection) -> list[ComputedTrait]:
    """Every computed trait, by key."""
    return [ComputedTrait(*row) for row in await connection.execute(_ALL)]


async def find(connection: Connection, key: str) -> ComputedTrait | None:
    """One computed trait."""
    row = (await connection.execute(_ONE, {"key": key})).first()
    return ComputedTrait(*row) if row else None


async def put(
    connection: Connection, key: str, name: str, purpose: str, value: Mapping[str, Any]
) -> None:
    """Create or change a computed trait; what changes its values starts a build."""
    await defining.bump(connection)
    known = await find(connection, key)
    if known and known.wanted == value and known.purpose == purpose:
        await connection.execute(_RENAME, {"key": key, "name": name})
        return
    build = await defining.start_build(connection, f"trait {key}", asked(measure(value)))
    version = await defining.keep_version(
        connection, kind="computed", key=key, name=name, purpose=purpose, definition=value
    )
    wanted = msgspec.json.encode(value).decode()
    values = {"key": key, "name": name, "purpose": purpose, "wanted": wanted, "build": build}
    await connection.execute(_PUT, {**values, "version": version})


async def delete(connection: Connection, key: str) -> bool:
    """Remove a computed trait; False if there is none. People are looked at anew without it."""
    await defining.bump(connection)
    if (await connection.execute(_DELETE, {"key": key})).first() is None:
        return False
    await defining.start_build(connection, f"trait {key} deleted")
    await defining.drop_unused_counters(connection)
    return True
