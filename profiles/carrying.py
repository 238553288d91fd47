"""The SQL of memberships that move with identifiers, in merges and splits: nobody is told of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId

_SPLIT_MEMBERSHIPS = named(
    """
    with new as (
        insert into memberships (segment, profile, since, carried)
        select m.segment, u.profile, min(m.since), true
          from unnest(cast(:former as bytea[]), cast(:profiles as bytea[])) u(former, profile)
          join memberships m on m.profile = u.former group by 1, 2
        on conflict do nothing returning segment, profile, since)
    insert into carried (segment, profile, entered, at, since)
    select s.key, n.profile, true, :at, n.since from new n join segments s on s.id = n.segment
     where cast(:at as bigint) is not null
    """
)
_CARRY = named(
    """
    insert into carried (segment, profile, entered, at, since)
    select * from unnest(cast(:segments as text[]), cast(:profiles as bytea[]),
                         cast(:entered as bool[]), cast(:ats as bigint[]),
                         cast(:sinces as bigint[]))
    """
)


class Carried(NamedTuple):
    """A profile id that gained or lost a membership as identifiers moved: nobody is told of it."""

    segment: str
    profile: ProfileId
    entered: bool
    at: Instant
    since: Instant


async def split(
    connection: Connection, parts: Collection[tuple[ProfileId, ProfileId]], at: Instant | None
) -> None:
    """Who splits off was in the profile's segments too: (former, new) profiles.

    It is recorded as of an instant; None, in a replay: it is not.
    """
    if parts:
        former, profiles = zip(*parts, strict=True)
        values = {"former": list(former), "profiles": list(profiles), "at": at}
        await connection.execute(_SPLIT_MEMBERSHIPS, values)


async def carry(connection: Connection, rows: Sequence[Carried]) -> None:
    """Write to the ledger what moved along with identifiers."""
    if rows:
        names = ("segments", "profiles", "entered", "ats", "sinces")
        columns = map(list, zip(*rows, strict=True))
        await connection.execute(_CARRY, dict(zip(names, columns, strict=True)))
