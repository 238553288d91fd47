"""The evidence's SQL: consent facts as rows of the log, their chain, and what was known when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

from cdp.db import Connection, named
from cdp.events import EVENTS, Instant, ProfileId, SubjectId
from cdp.evidence import chain
from cdp.evidence.chain import Fact, Head, Link, Reduction
from cdp.log.store import Record
from cdp.log.vault import Vault
from cdp.times import to_datetime

_BATCH = 500  # facts at hand at once

_COVERED = """
    e.partition, e."offset", e.id, e.subject, e.source,
    (extract(epoch from e.at) * 1000000)::bigint,
    (extract(epoch from e.received_at) * 1000000)::bigint, sha256(e.payload)
"""
_FACTS = named(
    f"""
    select {_COVERED}
      from unnest(cast(:partitions as int[]), cast(:starts as bigint[]), cast(:ends as bigint[]))
           w(p, s, t)
     cross join lateral (
        select * from events
         where partition = w.p and "offset" >= w.s and "offset" < w.t and consent) e
     order by 1, 2
    """  # noqa: S608 - columns of ours
)
_REDUCTIONS = named(
    """
    select r.partition, r."offset", r.digest, r.mac
      from unnest(cast(:partitions as int[]), cast(:starts as bigint[]), cast(:ends as bigint[]))
           w(p, s, t)
      join reduced r on r.partition = w.p and r."offset" >= w.s and r."offset" < w.t
    """
)
_LINKS = named(
    """
    select partition, "offset", mac from consent_chain
     where partition = :partition and "offset" >= :start and "offset" < :end order by "offset"
    """
)
_LINKS_AT = named(
    """
    select c.partition, c."offset", c.mac
      from unnest(cast(:partitions as int[]), cast(:offsets as bigint[])) w(p, o)
      join consent_chain c on c.partition = w.p and c."offset" = w.o
    """
)
_HEADS = named("select partition, next_offset, mac, seal from consent_heads")
_LOCKED_HEADS = named(
    "select partition, next_offset, mac, seal from consent_heads order by partition for update"
)
_LOG_ENDS = named("select partition, next_offset from heads where topic = :topic")
_CHAIN_ENDS = named('select partition, max("offset") + 1 from consent_chain group by partition')
_CHAIN = named(
    """
    insert into consent_chain (partition, "offset", mac)
    select * from unnest(cast(:partitions as int[]), cast(:offsets as bigint[]),
                         cast(:macs as bytea[]))
    on conflict do nothing
    """
)
_PUT_HEADS = named(
    """
    insert into consent_heads (partition, next_offset, mac, seal)
    select * from unnest(cast(:partitions as int[]), cast(:ends as bigint[]),
                         cast(:macs as bytea[]), cast(:seals as bytea[]))
    on conflict (partition) do update
       set next_offset = excluded.next_offset, mac = excluded.mac, seal = excluded.seal
    """
)
_MISSING = named(
    """
    select n from generate_series(cast(:start as bigint), cast(:end as bigint) - 1) n
     where not exists (select from events where partition = :partition and "offset" = n)
     limit :limit
    """
)

_RECEIVED = named(
    """
    select "offset", subject, id, payload from events
     where consent and subject = any(:subjects) and received_at <= :at order by at, id
    """
)
_LATE = named("select id from events where id = any(:ids) and received_at > :at")
_PROFILES = named(
    "select distinct profile from nodes where profile > :after order by profile limit :limit"
)
_PRESENT = named("select subject from fragments where subject = any(:subjects)")


async def facts(
    connection: Connection, vault: Vault, spans: Mapping[int, tuple[int, int]]
) -> list[Fact]:
    """Those with consent between two offsets of each of these partitions, as they are chained."""
    values = {
        "partitions": list(spans),
        "starts": [start for start, _ in spans.values()],
        "ends": [end for _, end in spans.values()],
    }
    found = [Fact(*row) for row in await connection.execute(_FACTS, values)]
    rows = await connection.execute(_REDUCTIONS, values)
    reductions = {(row[0], row[1]): Reduction(*row[2:]) for row in rows}
    return [chain.covered(vault, each, reductions.get(each[:2])) for each in found]


async def links(connection: Connection, partition: int, start: int, end: int) -> list[Link]:
    """The chain between two offsets of a partition."""
    values = {"partition": partition, "start": start, "end": end}
    return [Link(*row) for row in await connection.execute(_LINKS, values)]


async def links_at(
    connection: Connection, places: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """The macs at these places (partition and offset), as far as there are any."""
    wanted = list(places)
    values = {"partitions": [p for p, _ in wanted], "offsets": [o for _, o in wanted]}
    return {(row[0], row[1]): row[2] for row in await connection.execute(_LINKS_AT, values)}


async def heads(connection: Connection, *, lock: bool = False) -> dict[int, Head]:
    """How far the chain has come, by partition."""
    rows = await connection.execute(_LOCKED_HEADS if lock else _HEADS)
    return {row[0]: Head(*row) for row in rows}


async def log_ends(connection: Connection) -> dict[int, int]:
    """Where the log ends, by partition."""
    rows = await connection.execute(_LOG_ENDS, {"topic": EVENTS})
    return {row[0]: row[1] for row in rows}


async def chain_ends(connection: Connection) -> dict[int, int]:
    """The offset after the last link, by partition."""
    return {row[0]: row[1] for row in await connection.execute(_CHAIN_ENDS)}


async def extend(connection: Connection, new: Sequence[Link], moved: Collection[Head]) -> None:
    """Add links, and note how far the chain is now."""
    if new:
        values = {
            "partitions": [each.partition for each in new],
            "offsets": [each.offset for each in new],
            "macs": [each.mac for each in new],
        }
        await connection.execute(_CHAIN, values)
    values = {
        "partitions": [each.partition for each in moved],
        "ends": [each.next_offset for each in moved],
        "macs": [each.mac for each in moved],
        "seals": [each.seal for each in moved],
    }
    await connection.execute(_PUT_HEADS, values)


async def missing(
    connection: Connection, partition: int, start: int, end: int, limit: int
) -> list[int]:
    """Offsets between two of a partition at which the log has nothing: there should be none."""
    values = {"partition": partition, "start": start, "end": end, "limit": limit}
    return [row[0] for row in await connection.execute(_MISSING, values)]


async def received(
    connection: Connection, subjects: Collection[SubjectId], at: Instant
) -> AsyncIterator[list[Record]]:
    """Consent facts of these subjects that we had received by then, oldest first, in batches."""
    values = {"subjects": list(subjects), "at": to_datetime(at)}
    async with connection.stream(_RECEIVED, values) as result:
        async for batch in result.partitions(_BATCH):
            yield [Record(*row) for row in batch]


async def late(connection: Connection, ids: Collection[bytes], at: Instant) -> set[bytes]:
    """Those of these events that we had not received by then."""
    if not ids:
        return set()
    rows = await connection.execute(_LATE, {"ids": list(ids), "at": to_datetime(at)})
    return {row[0] for row in rows}


async def profiles(connection: Connection, after: ProfileId, limit: int) -> list[ProfileId]:
    """Profiles of today, in the order of their ids."""
    rows = await connection.execute(_PROFILES, {"after": after, "limit": limit})
    return [row[0] for row in rows]


async def present(connection: Connection, subjects: Collection[SubjectId]) -> set[SubjectId]:
    """Those of these subjects of whom there is anything."""
    rows = await connection.execute(_PRESENT, {"subjects": list(subjects)})
    return {row[0] for row in rows}
