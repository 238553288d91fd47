"""Tracking plans' SQL: each change is a version, and none is ever altered or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named
from cdp.plans.model import Plan
from cdp.plans.schema import plan_of, written

CHANGED = "cdp_plans"  # the channel on which changes are told

_SOURCE = named("select id from sources where id = :source for update")
_IN_FORCE = named(
    """
    select distinct on (source) source, version, created_at, content from tracking_plans
     where cast(:source as int) is null or source = :source
     order by source, version desc
    """
)
_VERSION = named(
    """
    select source, version, created_at, content from tracking_plans
     where source = :source and version = :version
    """
)
_VERSIONS = named(
    """
    select version, created_at, content ->> 'owner', content is null from tracking_plans
     where source = :source order by version
    """
)
_ADD = named(
    """
    insert into tracking_plans (source, version, content)
    values (:source, :version, cast(:content as json)) returning created_at
    """
)
_TELL = named("select pg_notify('cdp_plans', cast(:source as text))")


class Stored(NamedTuple):
    """A version of a plan, and since when there is it."""

    plan: Plan
    created_at: datetime


class Version(NamedTuple):
    """A change of a plan; the last one may have taken it out of force."""

    version: int
    created_at: datetime
    owner: str | None
    deleted: bool


async def lock(connection: Connection, source: int) -> bool:
    """Be the one who changes a source's plan; False if there is no such source."""
    return (await connection.execute(_SOURCE, {"source": source})).first() is not None


async def in_force(connection: Connection) -> list[Stored]:
    """Every plan that is in force, by source."""
    rows = await connection.execute(_IN_FORCE, {"source": None})
    return [_stored(row) for row in rows if row[3] is not None]


async def current(connection: Connection, source: int) -> Stored | None:
    """The plan that is in force for a source."""
    row = (await connection.execute(_IN_FORCE, {"source": source})).first()
    return _stored(row) if row is not None and row[3] is not None else None


async def version(connection: Connection, source: int, number: int) -> Stored | None:
    """A plan as it was; None if there is no such version, or it was the end of the plan."""
    row = (await connection.execute(_VERSION, {"source": source, "version": number})).first()
    return _stored(row) if row is not None and row[3] is not None else None


async def versions(connection: Connection, source: int) -> list[Version]:
    """Every change of a source's plan, the oldest first."""
    return [Version(*row) for row in await connection.execute(_VERSIONS, {"source": source})]


async def put(connection: Connection, source: int, loaded: dict[str, Any]) -> Stored:
    """Put a plan in force, as the next version; what says the same again is no change."""
    now = await current(connection, source)
    if now is not None and written(now.plan) == loaded:
        return now
    number = await _next(connection, source)
    return Stored(plan_of(source, number, loaded), await _add(connection, source, number, loaded))


async def delete(connection: Connection, source: int) -> bool:
    """Take a source's plan out of force, which is a version too; False if there is none."""
    if await current(connection, source) is None:
        return False
    await _add(connection, source, await _next(connection, source), None)
    return True


async def _next(connection: Connection, source: int) -> int:
    return max((each.version for each in await versions(connection, source)), default=0) + 1


async def _add(
    connection: Connection, source: int, number: int, content: dict[str, Any] | None
) -> datetime:
    text = None if content is None else msgspec.json.encode(content).decode()
    values = {"source": source, "version": number, "content": text}
    created_at: datetime = (await connection.execute(_ADD, values)).scalar_one()
    await connection.execute(_TELL, {"source": str(source)})
    return created_at


def _stored(row: Sequence[Any]) -> Stored:
    return Stored(plan_of(row[0], row[1], row[3]), row[2])
