"""Retention's SQL: what is over, stretch by stretch of the log, and taking it out.

Rows stay where they are, with their ids: offsets keep their meaning, positions and checkpoints stay
right, and an event that is sent once more is known. What goes is all that an event said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cdp.collect.keys import hashed
from cdp.db import Connection, named
from cdp.events import EVENTS, Instant, SubjectId
from cdp.times import to_datetime
from consent.model import COLLECTION

# Each event is stored for one purpose: `necessary` if its source is, else that of collection.
# Only what the agents have folded and the consent chain has covered is touched.
_KEPT = """
    select s.id, least(s.retention_days, p.retention_days) as days
      from sources s left join purposes p
        on p.key = case when s.necessary then 'necessary' else :collection end
"""
_OVER = named(
    f"""
    with kept as ({_KEPT}),
    ends as (
        select c.partition, least(c.next_offset, h.next_offset) as "end"
          from checkpoints c join consent_heads h using (partition) where c.topic = :topic)
    select k.id, k.days, e.partition, coalesce(r.next_offset, 0), e."end"
      from kept k cross join ends e
      left join retention r on r.source = k.id and r.partition = e.partition
     cross join lateral (
        select received_at from events
         where partition = e.partition and "offset" >= coalesce(r.next_offset, 0)
           and "offset" < e."end" order by "offset" limit 1) f
     where k.days is not null
       and f.received_at <= cast(:now as timestamptz) - make_interval(days => k.days)
     order by 1, 3 limit 1
    """  # noqa: S608 - our own constant
)
# Of a message whose source nobody knows, too: it would have been stored for collection's purpose.
_DROP_REFUSED = named(
    f"""
    with kept as ({_KEPT}
         union all select null, retention_days from purposes where key = :collection)
    delete from quarantine where id in (
        select q.id from quarantine q join kept k on q.source is not distinct from k.id
         where q.received_at <= cast(:now as timestamptz) - make_interval(days => k.days)
         order by q.id limit :limit)
    """  # noqa: S608
)
_STRETCH = named(
    """
    select "offset", id, subject,
           case when source = :source and consent then payload end,
           source = :source and not consent and payload <> '', received_at <= :before
      from events where partition = :partition and "offset" >= :start and "offset" < :end
     order by "offset" limit :limit
    """
)
_EMPTY = named(
    """
    update events set payload = '' where partition = :partition and "offset" = any(:offsets)
    """
)
_REDUCE = named(
    """
    with given as (
        select * from unnest(cast(:offsets as bigint[]), cast(:payloads as bytea[]),
                             cast(:digests as bytea[]), cast(:macs as bytea[]))
                      g(o, payload, digest, mac)),
    changed as (
        update events e set payload = g.payload from given g
         where e.partition = :partition and e."offset" = g.o)
    insert into reduced (partition, "offset", digest, mac)
    select :partition, o, digest, mac from given
    on conflict (partition, "offset") do update set mac = excluded.mac
    """
)
_ADVANCE = named(
    """
    insert into retention (source, partition, next_offset) values (:source, :partition, :done)
    on conflict (source, partition) do update set next_offset = excluded.next_offset
    """
)
_KEEP = named(
    """
    update sources set retention_days = :days
     where key_hash = :hash or 'write:' || id = :id returning name
    """
)


class Over(NamedTuple):
    """A source of which there is something in a partition that is older than it may get."""

    source: int
    days: int
    partition: int
    start: int
    end: int


class Row(NamedTuple):
    """A row of the log; `payload` only where it is the source's and says something of consent.

    `plain` tells that it is the source's, says nothing of consent, and is still there.
    """

    offset: int
    id: bytes
    subject: SubjectId
    payload: bytes | None
    plain: bool
    over: bool


class Reduced(NamedTuple):
    """What is left of a fact, the digest of what it was, and the mac over both."""

    offset: int
    payload: bytes
    digest: bytes
    mac: bytes


async def over(connection: Connection, now: Instant) -> Over | None:
    """One of those sources and partitions; None if nothing is too old."""
    values = {"collection": COLLECTION, "topic": EVENTS, "now": to_datetime(now)}
    row = (await connection.execute(_OVER, values)).first()
    return Over(*row) if row is not None else None


async def stretch(connection: Connection, found: Over, before: Instant, limit: int) -> list[Row]:
    """The next rows of the partition, of any source; `over` tells which came before an instant."""
    values = found._asdict() | {"before": to_datetime(before), "limit": limit}
    return [Row(*row) for row in await connection.execute(_STRETCH, values)]


async def drop_refused(connection: Connection, now: Instant, limit: int) -> int:
    """Delete messages in quarantine, open or replayed, that are too old; returns how many."""
    values = {"collection": COLLECTION, "now": to_datetime(now), "limit": limit}
    return (await connection.execute(_DROP_REFUSED, values)).rowcount


async def empty(connection: Connection, partition: int, offsets: Sequence[int]) -> None:
    """Take all out that these events said."""
    values = {"partition": partition, "offsets": list(offsets)}
    await connection.execute(_EMPTY, values)


async def reduce(connection: Connection, partition: int, rows: Sequence[Reduced]) -> None:
    """Put what is left of these facts in their place."""
    columns = zip(*rows, strict=True)
    names = ("offsets", "payloads", "digests", "macs")
    values: dict[str, object] = {
        name: list(column) for name, column in zip(names, columns, strict=True)
    }
    await connection.execute(_REDUCE, values | {"partition": partition})


async def advance(connection: Connection, found: Over, done: int) -> None:
    """Note that everything before an offset is dealt with."""
    values = {"source": found.source, "partition": found.partition, "done": done}
    await connection.execute(_ADVANCE, values)


async def keep_for(connection: Connection, key: str, days: int | None) -> str | None:
    """Keep a source's events so many days, or for good; its name, None if there is no such key."""
    values = {"hash": hashed(key), "id": key, "days": days}
    name: str | None = (await connection.execute(_KEEP, values)).scalar()
    return name
