"""What operators said of identifiers, and the history of merges and splits: their SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId
from identity.graph import NodeId, Verdict

_VERDICTS = named(
    """
    select a, b, together, at, event from verdicts where a = any(:ids)
    union
    select a, b, together, at, event from verdicts where b = any(:ids)
    """
)
_PUT_VERDICTS = named(
    """
    insert into verdicts (a, b, together, at, event)
    select * from unnest(cast(:a as bytea[]), cast(:b as bytea[]), cast(:together as boolean[]),
                         cast(:at as bigint[]), cast(:events as bytea[]))
    on conflict (a, b) do update
       set together = excluded.together, at = excluded.at, event = excluded.event
     where (excluded.at, not excluded.together, excluded.event)
         > (verdicts.at, not verdicts.together, verdicts.event)
    """
)
_RECORD = named(
    """
    insert into identity_history (at, former, profile, kind, cause)
    select :at, f, p, k, c
      from unnest(cast(:former as bytea[]), cast(:profiles as bytea[]), cast(:kinds as text[]),
                  cast(:causes as bytea[])) u(f, p, k, c)
    """
)


_HISTORY = named(
    """
    select at, former, profile, kind, cause from identity_history
     where former = any(:ids) or profile = any(:ids) order by number desc limit :limit
    """
)


class Move(NamedTuple):
    """Identifiers that were of one profile and are of another now."""

    former: ProfileId
    profile: ProfileId
    kind: str  # merged, or split if it leaves something behind or goes several ways
    cause: bytes  # the event that did it


async def about(connection: Connection, ids: Collection[NodeId]) -> list[Verdict]:
    """What operators said last about these nodes."""
    if not ids:
        return []
    return [Verdict(*row) for row in await connection.execute(_VERDICTS, {"ids": list(ids)})]


async def put(connection: Connection, new: Sequence[Verdict]) -> None:
    """Note what operators said; of each pair the latest word is kept."""
    values = {
        "a": [each.a for each in new],
        "b": [each.b for each in new],
        "together": [each.together for each in new],
        "at": [each.at for each in new],
        "events": [each.event for each in new],
    }
    await connection.execute(_PUT_VERDICTS, values)


async def record(connection: Connection, moves: Sequence[Move], now: Instant) -> None:
    """Add merges and splits to the history."""
    values = {
        "at": now,
        "former": [each.former for each in moves],
        "profiles": [each.profile for each in moves],
        "kinds": [each.kind for each in moves],
        "causes": [each.cause for each in moves],
    }
    await connection.execute(_RECORD, values)


async def history(
    connection: Connection, nodes: Collection[NodeId], limit: int
) -> list[tuple[Instant, Move]]:
    """The latest merges and splits of profiles that are called by one of these nodes."""
    rows = await connection.execute(_HISTORY, {"ids": list(nodes), "limit": limit})
    return [(row[0], Move(*row[1:])) for row in rows]
