"""The past's SQL: who was in a segment when, by the ledger of changes; and timelines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import LiteralString, NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId, SubjectId
from cdp.log.store import Record
from cdp.times import to_datetime
from profiles.audience import Member

# How long somebody was in a segment: an entry holds until the same profile's next row. What moved
# with identifiers, in merges and splits, has rows of its own, that nobody was told of.
_SPANS: LiteralString = """
    with live as (
        select key, (extract(epoch from created_at) * 1000000)::bigint as since from segments),
    rows as (
        select segment, profile, entered, at, at as since from changes where {whose}
        union all select segment, profile, entered, at, since from carried where {whose}),
    spans as (
        select r.segment, r.profile, r.entered, r.since, r.at as begins,
               lead(r.at) over (partition by r.segment, r.profile order by r.at) as next
          from rows r join live l on l.key = r.segment and r.at >= l.since),
    ended as materialized (
        select s.segment, s.profile, s.since, s.begins, least(s.next, min(e.at)) as ends
          from spans s left join erasures e on e.subject = s.profile and e.at >= s.begins
         where s.entered group by 1, 2, 3, 4, s.next)
"""
_IN_SEGMENT: LiteralString = _SPANS.replace("{whose}", "segment = :key")
_OF_PERSON: LiteralString = _SPANS.replace("{whose}", "profile = any(:profiles)")

# Of several spans of one person at once the union counts.
_SIZES = named(
    f"""
    {_IN_SEGMENT}
    , marked as (
        select profile, begins, coalesce(ends, :end) as ends,
               max(coalesce(ends, :end)) over (
                   partition by profile order by begins, ends
                   rows between unbounded preceding and 1 preceding) as before
          from ended where begins < coalesce(ends, :end)),
    numbered as (
        select profile, begins, ends, count(*) filter (where before is null or begins > before)
               over (partition by profile order by begins, ends) as island from marked),
    islands as (
        select min(begins) as begins, max(ends) as ends from numbered group by profile, island),
    steps as (
        select begins as at, 1 as step, false as asked from islands
        union all select ends, -1, false from islands
        union all select unnest(cast(:ats as bigint[])), 0, true)
    select at, size from (
        select at, asked, (sum(step) over (order by at))::bigint as size from steps) s
     where asked order by at
    """  # noqa: S608 - SQL of ours
)
_MEMBERS = named(
    f"""
    {_IN_SEGMENT}
    select profile, min(since) from ended
     where begins <= :at and (ends is null or ends > :at) and profile > :after
     group by profile order by profile limit :limit
    """  # noqa: S608 - SQL of ours
)
_DECIDED = named(
    f"""
    {_OF_PERSON}
    select segment, min(since) from ended
     where begins <= :at and (ends is null or ends > :at)
     group by segment order by segment
    """  # noqa: S608 - SQL of ours
)
_EVENTS = named(
    """
    select (extract(epoch from at) * 1000000)::bigint, subject, id, payload from events
     where partition = any(cast(:partitions as smallint[])) and subject = any(:subjects)
       and at >= :since and at <= :until and (at, id) < (:at, :id)
     order by at desc, id desc limit :limit
    """
)
_MOVES = named(
    """
    select at, "offset", segment, entered, cause from changes
     where profile = any(:subjects) and at >= :since and (at, "offset") < (:at, :offset)
     order by at desc, "offset" desc limit :limit
    """
)
_NEVER = (1 << 63) - 1


class Move(NamedTuple):
    """An entry or exit of one person, with its place in the ledger."""

    at: Instant
    offset: int
    segment: str
    entered: bool
    cause: str


async def sizes(connection: Connection, key: str, ats: Sequence[Instant]) -> list[int]:
    """How many people were in a segment at each of these moments, in order."""
    values = {"key": key, "ats": list(ats), "end": _NEVER}
    return [row[1] for row in await connection.execute(_SIZES, values)]


async def members(
    connection: Connection, key: str, at: Instant, after: ProfileId, limit: int
) -> list[Member]:
    """Who was in a segment then, by the profiles of then, after a given one."""
    values = {"key": key, "at": at, "after": after, "limit": limit}
    return [Member(*row) for row in await connection.execute(_MEMBERS, values)]


async def decided(
    connection: Connection, profiles: Collection[ProfileId], at: Instant
) -> dict[str, Instant]:
    """The segments that a person of these former profile ids was in then, and since when."""
    values = {"profiles": list(profiles), "at": at}
    return {row[0]: row[1] for row in await connection.execute(_DECIDED, values)}


async def events(
    connection: Connection,
    where: tuple[Collection[int], Collection[SubjectId]],
    between: tuple[Instant, Instant],
    before: tuple[Instant, bytes],
    limit: int,
) -> list[tuple[Instant, Record]]:
    """Facts of these subjects in these partitions of the log, newest first.

    `before` is a moment and an id: what comes after it in this order.
    """
    values = {
        "partitions": list(where[0]),
        "subjects": list(where[1]),
        "since": to_datetime(between[0]),
        "until": to_datetime(between[1]),
        "at": to_datetime(before[0]),
        "id": before[1],
        "limit": limit,
    }
    rows = await connection.execute(_EVENTS, values)
    return [(row[0], Record(0, *row[1:])) for row in rows]


async def moves(
    connection: Connection,
    subjects: Collection[SubjectId],
    since: Instant,
    before: tuple[Instant, int],
    limit: int,
) -> list[Move]:
    """Entries and exits of these profile ids, newest first."""
    values = {"subjects": list(subjects), "since": since, "at": before[0], "offset": before[1]}
    rows = await connection.execute(_MOVES, {**values, "limit": limit})
    return [Move(*row) for row in rows]
