"""The SQL of taking up parked deliveries."""

from __future__ import annotations

from collections.abc import Sequence

from cdp.db import Connection, named
from cdp.events import Instant

MOST = 10_000  # at once

# What was to be told of an erased person is not kept; nor did older processes keep messages.
_REPLAY = named(
    """
    with mine as (
        select id from deliveries
         where state = 'parked' and kind <> 'erased' and (kind <> 'message' or body is not null)
           and (cast(:destination as text) is null or destination = :destination)
           and (cast(:ids as bytea[]) is null or id = any(cast(:ids as bytea[])))
           and (cast(:reason as text) is null or reason = :reason)
         order by id limit :limit for update)
    update deliveries d
       set state = 'retrying', reason = 'replayed', attempts = 0, due = :now, status = null,
           updated_at = now()
      from mine where d.id = mine.id
    """
)


async def replay(
    connection: Connection,
    destination: str | None,
    ids: Sequence[bytes] | None,
    reason: str | None,
    now: Instant,
) -> int:
    """Make parked deliveries due again, with all their tries; MOST of them at once."""
    values = {
        "destination": destination,
        "ids": list(ids) if ids is not None else None,
        "reason": reason,
        "now": now,
        "limit": MOST,
    }
    return (await connection.execute(_REPLAY, values)).rowcount
