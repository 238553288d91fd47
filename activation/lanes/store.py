"""The SQL of circuits: what all workers and the API know of destinations that do not answer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from activation.lanes.model import Circuit
from cdp.db import Connection, named
from cdp.events import Instant

_COLUMNS = "destination, state, probes, until, since, reason"
_FIND = named(
    f"select {_COLUMNS} from circuits"  # noqa: S608 - our own constant
    " where destination = any(:destinations) order by destination"
)
_PROBE = named(
    """
    update circuits set until = :until
     where destination = :destination and state = 'open' and until <= :now returning destination
    """
)
_OPEN = named(
    """
    insert into circuits (destination, state, probes, until, since, reason)
    values (:destination, 'open', 0, :until, :now, :reason)
    on conflict (destination) do update
       set state = 'open', probes = 0, until = excluded.until, since = excluded.since,
           reason = excluded.reason
     where circuits.state = 'closing'
    """
)
_KEEP_OPEN = named(
    """
    update circuits set probes = probes + 1, until = :until, reason = :reason
     where destination = :destination and state = 'open'
    """
)
_CLOSE = named("update circuits set state = 'closing' where destination = :destination")
_CLOSING = named("select destination from circuits where state = 'closing' order by destination")
_RELEASE = named(
    """
    update deliveries set due = :now
     where id in (select id from deliveries where destination = :destination
                     and state = 'retrying' and reason = :reason and due > :now
                   order by due limit :limit for update skip locked)
    """
)
_FORGET = named("delete from circuits where destination = :destination and state = 'closing'")


async def circuits(connection: Connection, destinations: Collection[str]) -> dict[str, Circuit]:
    """Those of these destinations that do not answer, or did not until lately."""
    rows = await connection.execute(_FIND, {"destinations": list(destinations)})
    return {row[0]: Circuit(*row) for row in rows}


async def probe(connection: Connection, destination: str, now: Instant, until: Instant) -> bool:
    """Take it upon this worker to try, until then; False if somebody else does."""
    values = {"destination": destination, "now": now, "until": until}
    return (await connection.execute(_PROBE, values)).first() is not None


async def open_(
    connection: Connection, destination: str, now: Instant, until: Instant, reason: str
) -> None:
    """It does not answer; it may be known already."""
    values = {"destination": destination, "now": now, "until": until, "reason": reason}
    await connection.execute(_OPEN, values)


async def keep_open(connection: Connection, destination: str, until: Instant, reason: str) -> None:
    """A probe came to nothing."""
    values = {"destination": destination, "until": until, "reason": reason}
    await connection.execute(_KEEP_OPEN, values)


async def close(connection: Connection, destination: str) -> None:
    """It answers again."""
    await connection.execute(_CLOSE, {"destination": destination})


async def closing(connection: Connection) -> list[str]:
    """Destinations that answer again, and whose held deliveries are to go."""
    return [row[0] for row in await connection.execute(_CLOSING)]


async def release(
    connection: Connection, destination: str, reason: str, now: Instant, limit: int
) -> int:
    """Make so many of its deliveries due that are held for this reason, the first of them."""
    values: dict[str, Any] = {"destination": destination, "now": now, "limit": limit}
    return (await connection.execute(_RELEASE, values | {"reason": reason})).rowcount


async def forget(connection: Connection, destination: str) -> None:
    """It answers again, and nothing is held for it any more."""
    await connection.execute(_FORGET, {"destination": destination})
