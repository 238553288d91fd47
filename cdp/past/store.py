"""The past's SQL: who was in a segment when, by the ledger of changes; and timelines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import LiteralString, NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId, SubjectId
from cdp.log.store import Record
from cdp.times import to_datetime
from profiles.audience import Member

# How long somebody was in a segment. An entry holds until the same profile's next row, and follows
# the profile into whichever it is merged into: there it holds until that one's next row, for a
# merge writes none. Who splits off takes it along, and whether they kept it is told by what came
# of it: an exit, or that they are in it now; an entry says that they had not. Likewise of a profile
# that others split off from: if it is in it no more without a word, or comes back out of another,
# there was nothing left of it.
_SPANS: LiteralString = """
    with recursive live as (
        select id, key, (extract(epoch from created_at) * 1000000)::bigint as since from segments),
    rows as (
        select c.segment, c.profile, c.entered, c.at,
               lead(c.at) over (partition by c.segment, c.profile order by c."offset") as next
          from changes c join live l on l.key = c.segment and c.at >= l.since
         where {whose}),
    spans as (
        select r.segment, r.profile, r.at as since, r.at as begins, r.next,
               cast(0 as bigint) as number
          from rows r where r.entered
        union all
        select s.segment, m.profile, s.since, m.at, m.next, m.number
          from spans s cross join lateral (
            select h.profile, h.at, h.number, h.kind, r.at as next,
                   case when h.kind = 'merged' then true
                        when r.at is not null then not r.entered
                        else exists (select from memberships b join live l on l.id = b.segment
                                      where l.key = s.segment and b.profile = h.profile)
                          or exists (select from identity_history g
                                      where g.former = h.profile and g.number > h.number
                                        and coalesce((
                                          select not c.entered from changes c
                                           where c.profile = g.profile
                                             and c.segment = s.segment and c.at > g.at
                                           order by c."offset" limit 1), true))
                    end as stays
              from identity_history h
              left join lateral (
                select c.at, c.entered from changes c
                 where c.profile = h.profile and c.segment = s.segment and c.at > h.at
                 order by c."offset" limit 1) r on true
             where h.former = s.profile and h.number > s.number and h.at >= s.begins
               and (s.next is null or h.at < s.next)
               and not exists (select from identity_history g
                                where g.former = s.profile and g.kind = 'merged'
                                  and g.number > s.number and g.number < h.number
                                  and g.at >= s.begins)) m
         where m.stays),
    ended as materialized (
        select s.segment, s.profile, s.since, s.begins,
               least(s.next, m.merged, e.at,
                     case when s.next is null and m.last is not null and not exists (
                            select from memberships b join live l on l.id = b.segment
                             where l.key = s.segment and b.profile = s.profile)
                          then m.last end,
                     case when m.last is not null then (
                        select max(h.at) from identity_history h
                          join (select min(g.number) as number from identity_history g
                                 where g.profile = s.profile and g.kind = 'split'
                                   and g.number > s.number and g.at > s.begins
                                   and (s.next is null or g.at < s.next)) back
                            on h.number < back.number
                         where h.former = s.profile and h.number > s.number
                           and h.at >= s.begins) end) as ends
          from spans s
          left join erasures e on e.subject = s.profile and e.at >= s.begins
          left join lateral (
            select max(h.at) as last, min(h.at) filter (where h.kind = 'merged') as merged
              from identity_history h
             where h.former = s.profile and h.number > s.number and h.at >= s.begins) m on true)
"""
_IN_SEGMENT: LiteralString = _SPANS.replace("{whose}", "c.segment = :key")
# Also what those were in who became one with them, or whom they split off from.
_OF_PERSON: LiteralString = _SPANS.replace(
    "{whose}", "c.profile in (select id from related)"
).replace(
    "with recursive live as",
    """
    with recursive related(id) as (
        select unnest(cast(:profiles as bytea[]))
        union select h.former from related r join identity_history h on h.profile = r.id),
    live as""",
)

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
     where begins <= :at and (ends is null or ends > :at) and profile = any(:profiles)
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
