"""What a decision asks of the database: whose an identifier is, as of when, in which segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import ProfileId, SubjectId

_WHO = named(
    """
    select n.id, p.id, p.version from nodes n join profiles p on p.id = n.profile
     where n.id = any(:ids)
    """
)
_STANDING = named(
    """
    select (select array_agg(id) from nodes where profile = :profile),
           (select array_agg(s.key) from memberships m join segments s on s.id = m.segment
             where m.profile = :profile)
    """
)


class Found(NamedTuple):
    """A profile, and its current version."""

    profile: ProfileId
    version: int


async def who(connection: Connection, ids: Sequence[SubjectId]) -> dict[SubjectId, Found]:
    """The profiles of these identifiers."""
    rows = await connection.execute(_WHO, {"ids": list(ids)})
    return {row[0]: Found(row[1], row[2]) for row in rows}


async def standing(connection: Connection, profile: ProfileId) -> tuple[list[SubjectId], list[str]]:
    """A profile's identifiers, and the keys of the segments that it is in."""
    row = (await connection.execute(_STANDING, {"profile": profile})).one()
    return row[0] or [], row[1] or []
