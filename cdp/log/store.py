"""The log's SQL: append, read back, and the outbox of internal topics.

A head row per partition is locked in sorted order and bumped in the transaction of the insert,
so offsets have no gaps and become visible in order; `append_sealed` is among the migrations.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.errors import CdpError, KeysDestroyed
from cdp.events import EVENTS, Instant, SubjectId

_APPEND = named(
    """
    select append_sealed(cast(:partitions as int[]), :ids, :subjects, cast(:sources as int[]),
                         :ats, :received, :consents, :payloads, cast(:known as bigint),
                         cast(:listed as bigint))
    """
)
_EMIT = named(
    """
    with src as (
        select * from unnest(cast(:topics as text[]), cast(:partitions as int[]),
                             cast(:keys as bytea[]), cast(:values as bytea[]))
                      with ordinality u(topic, partition, key, value, ord)),
    counted as (select topic, partition, count(*) as n from src group by 1, 2),
    locked as (
        select h.topic, h.partition from heads h join counted using (topic, partition)
         order by 1, 2 for update of h),
    moved as (
        update heads h set next_offset = h.next_offset + c.n
          from counted c join locked using (topic, partition)
         where h.topic = c.topic and h.partition = c.partition
        returning h.topic, h.partition, h.next_offset - c.n as base),
    stored as (
        insert into outbox (topic, partition, "offset", key, value)
        select s.topic, s.partition,
               m.base + row_number() over (partition by s.topic, s.partition order by s.ord) - 1,
               s.key, s.value
          from src s join moved m using (topic, partition))
    select pg_notify('cdp', topic) from (select distinct topic from src) t
    """
)
_READ_EVENTS = named(
    """
    select e.partition, e."offset", e.subject, e.id, e.payload
      from unnest(cast(:partitions as int[]), cast(:offsets as bigint[])) w(p, o)
     cross join lateral (
        select * from events where partition = w.p and "offset" >= w.o
         order by "offset" limit :limit) e
    """
)
_READ_OUTBOX = named(
    """
    select b.partition, b."offset", b.key, b.value
      from unnest(cast(:partitions as int[]), cast(:offsets as bigint[])) w(p, o)
     cross join lateral (
        select * from outbox where topic = :topic and partition = w.p and "offset" >= w.o
         order by "offset" limit :limit) b
    """
)
_CONSENT_TAIL = named(
    """
    select e."offset", e.subject, e.id, e.payload
      from events e join checkpoints c on c.topic = 'events' and c.partition = e.partition
     where e.consent and e.subject = any(:subjects) and e."offset" >= c.next_offset
    """
)
_CONSENT_HISTORY = named(
    """
    select "offset", subject, id, payload from events
     where consent and subject = any(:subjects) order by at, id
    """
)
_PLACES = named(
    """
    select partition, "offset" from events where subject = any(:subjects)
     order by partition, "offset"
    """
)
_AT_PLACES = named(
    """
    select "offset", subject, id, payload from events
     where partition = :partition and "offset" = any(:offsets) order by "offset"
    """
)
_BY_ID = named('select "offset", subject, id, payload from events where id = any(:ids)')

_STRETCH = 2_000  # facts of somebody at hand at once


class Sealed(NamedTuple):
    """A fact ready to be stored."""

    id: bytes
    subject: SubjectId
    source: int
    at: Instant
    received_at: Instant
    consent: bool  # it carries consent decisions: gates and histories find it by index
    payload: bytes


class Record(NamedTuple):
    """One record of a topic, as an agent gets it."""

    offset: int
    key: bytes
    id: bytes  # of the event; empty on internal topics
    value: bytes


class Message(NamedTuple):
    """Something to put on an internal topic."""

    topic: str
    key: bytes
    value: bytes


def partition_of(key: bytes, partitions: int) -> int:
    """Where a key lives, for ever."""
    return zlib.crc32(key) % partitions


class Outdated(CdpError):
    """Nothing was stored: more is suppressed by now than was known to whoever looked."""


async def append(
    connection: Connection,
    facts: Iterable[Sealed],
    partitions: int,
    known: int,
    listed: int | None = None,
    *,
    beside: bool = False,
) -> int:
    """Store what is not stored yet; returns how many were new.

    `known` is how many erasures the keys know of that sealed them; KeysDestroyed if there were
    more: then nothing is stored. `listed` is the number of the suppression list's last change that
    the facts were held against; Outdated if there are later ones. None: they need not be. With
    `beside` that is found out even if there are no facts: for what is stored beside them.
    """
    once: dict[bytes, Sealed] = {}
    for fact in facts:
        once.setdefault(fact.id, fact)
    if not once and not beside:
        return 0
    rows = once.values()
    columns = list(zip(*rows, strict=True)) or [()] * len(Sealed._fields)
    names = ("ids", "subjects", "sources", "ats", "received", "consents", "payloads")
    values: dict[str, object] = {
        name: list(column) for name, column in zip(names, columns, strict=True)
    }
    values["partitions"] = [partition_of(row.subject, partitions) for row in rows]
    values |= {"known": known, "listed": listed}
    new = (await connection.execute(_APPEND, values)).scalar_one()
    if new is None:
        raise Outdated
    if new < 0:
        raise KeysDestroyed("somebody was erased meanwhile")
    return int(new)


async def emit(connection: Connection, messages: Iterable[Message], partitions: int) -> None:
    """Append to the outbox and wake whoever waits for its topics."""
    rows = list(messages)
    if not rows:
        return
    values = {
        "topics": [row.topic for row in rows],
        "partitions": [partition_of(row.key, partitions) for row in rows],
        "keys": [row.key for row in rows],
        "values": [row.value for row in rows],
    }
    await connection.execute(_EMIT, values)


async def read(
    connection: Connection, topic: str, positions: Mapping[int, int], limit: int
) -> dict[int, list[Record]]:
    """Up to `limit` consecutive records from each position, by partition."""
    values: dict[str, object] = {
        "partitions": list(positions),
        "offsets": list(positions.values()),
        "limit": limit,
    }
    found: dict[int, list[Record]] = {}
    if topic == EVENTS:
        for partition, offset, key, event_id, value in await connection.execute(
            _READ_EVENTS, values
        ):
            found.setdefault(partition, []).append(Record(offset, key, event_id, value))
        return found
    values["topic"] = topic
    for partition, offset, key, value in await connection.execute(_READ_OUTBOX, values):
        found.setdefault(partition, []).append(Record(offset, key, b"", value))
    return found


async def consent_tail(connection: Connection, subjects: list[SubjectId]) -> list[Record]:
    """Facts with consent decisions of these subjects that no agent has folded yet."""
    return [Record(*row) for row in await connection.execute(_CONSENT_TAIL, {"subjects": subjects})]


async def consent_history(connection: Connection, subjects: list[SubjectId]) -> list[Record]:
    """Every fact with consent decisions of these subjects, oldest first."""
    rows = await connection.execute(_CONSENT_HISTORY, {"subjects": subjects})
    return [Record(*row) for row in rows]


async def of_subjects(
    connection: Connection, subjects: Collection[SubjectId]
) -> AsyncIterator[list[Record]]:
    """Every fact of these subjects, some at a time: by log partition, and there in order."""
    places: dict[int, list[int]] = {}
    for partition, offset in await connection.execute(_PLACES, {"subjects": list(subjects)}):
        places.setdefault(partition, []).append(offset)
    for partition, offsets in places.items():
        for start in range(0, len(offsets), _STRETCH):
            values = {"partition": partition, "offsets": offsets[start : start + _STRETCH]}
            rows = await connection.execute(_AT_PLACES, values)
            yield [Record(*row) for row in rows]


async def by_id(connection: Connection, ids: list[bytes]) -> list[Record]:
    """These facts, as far as they are stored."""
    return [Record(*row) for row in await connection.execute(_BY_ID, {"ids": ids})]
