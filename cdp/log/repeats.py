"""Which facts the log had before they came again."""

from __future__ import annotations

from collections.abc import Mapping

from cdp.db import Database, named
from cdp.events import Instant

# What was stored by this very commit has the same time of receipt; and so it has if that commit
# was tried again because nobody heard how it ended.
_BEFORE = named(
    """
    select u.id from unnest(cast(:ids as bytea[]), cast(:received as bigint[])) u(id, received)
     cross join lateral (select received_at from events where id = u.id limit 1) e
     where e.received_at <> to_timestamp(u.received / 1e6)
    """
)


async def known_before(database: Database, received: Mapping[bytes, Instant]) -> list[bytes]:
    """Of facts that were stored or known, by their receipt: the ids of those that were known."""
    ids, instants = list(received), list(received.values())
    return [row[0] for row in await database.rows(_BEFORE, ids=ids, received=instants)]
