"""What matching said last of pairs of identifiers: their SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cdp.db import Connection, named
from identity.graph import Inference, NodeId

_ABOUT = named(
    """
    select a, b, probability, at, event from inferences
     where a = any(:ids) and probability >= :least
    union
    select a, b, probability, at, event from inferences
     where b = any(:ids) and probability >= :least
    """
)
_PUT = named(
    """
    insert into inferences (a, b, probability, at, event)
    select * from unnest(cast(:a as bytea[]), cast(:b as bytea[]), cast(:p as float8[]),
                         cast(:at as bigint[]), cast(:events as bytea[]))
    on conflict (a, b) do update
       set probability = excluded.probability, at = excluded.at, event = excluded.event
     where (excluded.at, -excluded.probability, excluded.event)
         > (inferences.at, -inferences.probability, inferences.event)
    """
)
_OPEN = named(
    """
    select a, b, probability, at, event from inferences i
     where probability > 0 and probability < :below and (a, b) > (:a, :b)
       and not exists (select from verdicts v where v.a = i.a and v.b = i.b)
     order by a, b limit :limit
    """
)
LEAST = 1e-9  # what is less probable was taken back


async def about(
    connection: Connection, ids: Collection[NodeId], least: float | None = LEAST
) -> list[Inference]:
    """What was said last about these nodes and is at least so probable; None: nothing is."""
    if not ids or least is None:
        return []
    rows = await connection.execute(_ABOUT, {"ids": list(ids), "least": least})
    return [Inference(*row) for row in rows]


async def put(connection: Connection, new: Sequence[Inference]) -> None:
    """Note what matching said; of each pair the latest word is kept."""
    values = {
        "a": [each.a for each in new],
        "b": [each.b for each in new],
        "p": [each.probability for each in new],
        "at": [each.at for each in new],
        "events": [each.event for each in new],
    }
    await connection.execute(_PUT, values)


async def suggestions(
    connection: Connection, *, after: tuple[NodeId, NodeId], below: float, limit: int
) -> list[Inference]:
    """Pairs that are not probable enough to be linked, and of which no operator spoke."""
    values = {"a": after[0], "b": after[1], "below": below, "limit": limit}
    return [Inference(*row) for row in await connection.execute(_OPEN, values)]
