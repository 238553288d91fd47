"""The SQL of computed traits that destinations subscribe to: what was told, and who is queued."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId

_QUEUE = named(
    """
    insert into computed_due (profile, due)
    select p, :due from unnest(cast(:profiles as bytea[])) p
     where exists (select from memberships m where m.profile = p)
     order by p
    on conflict (profile) do nothing
    """
)
_TAKE = named(
    """
    delete from computed_due where profile in (
        select profile from computed_due where due <= :now order by due limit :limit
           for update skip locked)
    returning profile
    """
)
_TOLD = named(
    "select destination, profile, digest from computed_told where profile = any(:profiles)"
)
_KEEP = named(
    """
    insert into computed_told (destination, profile, digest)
    select * from unnest(cast(:destinations as text[]), cast(:profiles as bytea[]),
                         cast(:digests as bytea[]))
    on conflict (destination, profile) do update set digest = excluded.digest
    """
)
_OPEN = named(
    """
    select destination, profile, bool_or(state = 'sending') from deliveries
     where profile = any(:profiles) and kind in ('entered', 'updated')
       and state in ('requested', 'retrying', 'sending') group by 1, 2
    """
)
_WATCH = named(
    """
    update definitions set watched = w.watched
      from (select exists (
            select from destinations where config -> 'computed' is not null)) w(watched)
     where definitions.watched <> w.watched
    """
)
_FORGET = named("delete from computed_told where destination = :destination")


async def queue(connection: Connection, profiles: Collection[ProfileId], due: Instant) -> None:
    """Those of these who are in a segment are to be looked at then, if not sooner."""
    await connection.execute(_QUEUE, {"profiles": list(profiles), "due": due})


async def take(connection: Connection, now: Instant, limit: int) -> list[ProfileId]:
    """Who is to be looked at; each is handed out once."""
    return [row[0] for row in await connection.execute(_TAKE, {"now": now, "limit": limit})]


async def told(
    connection: Connection, profiles: Sequence[ProfileId]
) -> dict[tuple[str, ProfileId], bytes]:
    """What stands for the values that each destination was told of each of these last."""
    rows = await connection.execute(_TOLD, {"profiles": list(profiles)})
    return {(row[0], row[1]): row[2] for row in rows}


async def keep(connection: Connection, digests: Mapping[tuple[str, ProfileId], bytes]) -> None:
    """Note what is told."""
    if not digests:
        return
    rows = sorted((*key, digest) for key, digest in digests.items())
    names = ("destinations", "profiles", "digests")
    columns = map(list, zip(*rows, strict=True))
    values = dict(zip(names, columns, strict=True))
    await connection.execute(_KEEP, values)


async def under_way(
    connection: Connection, profiles: Sequence[ProfileId]
) -> dict[tuple[str, ProfileId], bool]:
    """Of whom which destination is about to be told anyway; True: that is being sent as we look."""
    rows = await connection.execute(_OPEN, {"profiles": list(profiles)})
    return {(row[0], row[1]): row[2] for row in rows}


async def watch(connection: Connection) -> None:
    """Have everybody know whether any destination subscribes to computed traits."""
    await connection.execute(_WATCH)


async def forget(connection: Connection, destination: str) -> None:
    """Of a destination that is deleted."""
    await connection.execute(_FORGET, {"destination": destination})
