"""The one question that a decision asks of the database: whose identifier it is, and as of when."""

from __future__ import annotations

from collections.abc import Sequence

from cdp.db import Connection, named
from cdp.events import ProfileId, SubjectId

_WHO = named(
    """
    select n.id, p.id, p.version from nodes n join profiles p on p.id = n.profile
     where n.id = any(:ids)
    """
)


async def who(
    connection: Connection, ids: Sequence[SubjectId]
) -> dict[SubjectId, tuple[ProfileId, int]]:
    """The profiles of these identifiers, with their current versions."""
    rows = await connection.execute(_WHO, {"ids": list(ids)})
    return {node: (profile, version) for node, profile, version in rows}
