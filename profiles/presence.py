"""The SQL of who is in a segment while others are told of it, and how they came in or left."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId

_AUDIENCE = named("select id, purpose from segments where key = :key")
_PURPOSES = named("select key, purpose from segments")
_COUNT = named(
    """
    select count(*) from memberships m join segments s on s.id = m.segment
     where s.key = any(:keys)
    """
)
# Who is being evaluated at this moment is not waited for, but told apart.
_HELD = """
    held as materialized (
        select m.profile from memberships m join page using (segment, profile)
           for share of m skip locked)
    select page.profile, page.since, held.profile is not null
      from page left join held using (profile) order by 1
"""
_PAGE = named(
    f"""
    with page as materialized (
        select segment, profile, since from memberships
         where segment = :segment and profile > :after order by profile limit :limit), {_HELD}
    """  # noqa: S608 - our own constant
)
_SOME = named(
    f"""
    with page as materialized (
        select segment, profile, since from memberships
         where segment = :segment and profile = any(:profiles)), {_HELD}
    """  # noqa: S608
)
_MOVED = named(
    """
    select number, profile from carried
     where segment = :key and at >= :since and entered and number > :after
     order by number limit :limit
    """
)
_AMONG = named(
    "select profile from memberships where segment = :segment and profile = any(:profiles)"
)
_WAYS = named(
    """
    select distinct on (profile) "offset", profile, at, cause from changes
     where segment = :key and profile = any(:profiles) and entered = :entered
     order by profile, "offset" desc
    """
)


# What was decided has offsets, which become visible in order. What merely moved has none, but its
# rows are never deleted, and they are few.
_VERSION = named(
    """
    select (select max("offset") from changes where segment = :key),
           (select count(*) from carried where segment = :key)
    """
)
_LAST = named('select max("offset") from changes where segment = :key')


class Audience(NamedTuple):
    """A segment's number and purpose."""

    id: int
    purpose: str


class Present(NamedTuple):
    """Somebody in a segment; `held`: that stays so until the transaction ends."""

    profile: ProfileId
    since: Instant
    held: bool


async def find(connection: Connection, key: str) -> Audience | None:
    """The segment under a key."""
    row = (await connection.execute(_AUDIENCE, {"key": key})).first()
    return Audience(*row) if row else None


async def purposes(connection: Connection) -> dict[str, str]:
    """The purpose of each segment, by its key."""
    return {row[0]: row[1] for row in await connection.execute(_PURPOSES)}


async def version(connection: Connection, key: str) -> tuple[int | None, int]:
    """Of who is in a segment: as long as it is the same, nobody came or went."""
    row = (await connection.execute(_VERSION, {"key": key})).one()
    return row[0], row[1]


async def last_change(connection: Connection, key: str) -> int | None:
    """The offset of a segment's last entry or exit."""
    last: int | None = (await connection.execute(_LAST, {"key": key})).scalar_one()
    return last


async def count(connection: Connection, keys: Collection[str]) -> int:
    """How many are in these segments, all together."""
    return int((await connection.execute(_COUNT, {"keys": list(keys)})).scalar_one())


async def page(connection: Connection, segment: int, after: bytes, limit: int) -> list[Present]:
    """Members in the order of their profile ids, after a given one."""
    values = {"segment": segment, "after": after, "limit": limit}
    return [Present(*row) for row in await connection.execute(_PAGE, values)]


async def some(
    connection: Connection, segment: int, profiles: Collection[ProfileId]
) -> dict[ProfileId, Present]:
    """Those of these who are members."""
    values = {"segment": segment, "profiles": list(profiles)}
    return {row[0]: Present(*row) for row in await connection.execute(_SOME, values)}


async def moved(
    connection: Connection, key: str, since: Instant, after: int, limit: int
) -> list[tuple[int, ProfileId]]:
    """Who came to be in a segment as identifiers moved, with the number of each in the ledger."""
    values = {"key": key, "since": since, "after": after, "limit": limit}
    return [(row[0], row[1]) for row in await connection.execute(_MOVED, values)]


async def among(
    connection: Connection, segment: int, profiles: Collection[ProfileId]
) -> set[ProfileId]:
    """The profile ids among these that are in a segment."""
    values = {"segment": segment, "profiles": list(profiles)}
    return {row[0] for row in await connection.execute(_AMONG, values)}


async def ways(
    connection: Connection, key: str, profiles: Collection[ProfileId], *, entered: bool
) -> list[tuple[int, ProfileId, Instant, str]]:
    """The last entry, or exit, of each of these: (offset, profile, at, cause)."""
    values = {"key": key, "profiles": list(profiles), "entered": entered}
    return [(row[0], row[1], row[2], row[3]) for row in await connection.execute(_WAYS, values)]
