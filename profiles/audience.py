"""Pulling audiences: members page by page, and changes since a cursor."""

from __future__ import annotations

from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId

_MEMBERS = named(
    """
    select profile, since from memberships where segment = :segment and profile > :after
     order by profile limit :limit
    """
)
_CHANGES = named(
    """
    select "offset", profile, entered, at, cause from changes
     where segment = :segment and "offset" > :after order by "offset" limit :limit
    """
)


class Member(NamedTuple):
    """A profile in a segment, since when."""

    profile: ProfileId
    since: Instant


class Move(NamedTuple):
    """An entry or exit, with its place in the ledger: the cursor to go on from."""

    offset: int
    profile: ProfileId
    entered: bool
    at: Instant
    cause: str


async def members(
    connection: Connection, segment: int, *, after: bytes = b"", limit: int = 100
) -> list[Member]:
    """Members in the order of their profile ids, after a given one."""
    values = {"segment": segment, "after": after, "limit": limit}
    return [Member(*row) for row in await connection.execute(_MEMBERS, values)]


async def changes(
    connection: Connection, segment: str, *, after: int = -1, limit: int = 100
) -> list[Move]:
    """Entries and exits after a place in the ledger, in the order they were decided."""
    values = {"segment": segment, "after": after, "limit": limit}
    return [Move(*row) for row in await connection.execute(_CHANGES, values)]
