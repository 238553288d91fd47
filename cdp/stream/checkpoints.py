"""Positions that live with the state: claimed first, moved last, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from cdp.db import Connection, named
from cdp.errors import CdpError
from cdp.log.store import Record

Place: TypeAlias = tuple[str, int]  # a topic and one of its partitions

_CLAIM = named(
    """
    select partition, next_offset from checkpoints
     where topic = :topic and partition = any(:partitions)
     order by partition for update
    """
)
_ADVANCE = named(
    """
    update checkpoints c set next_offset = greatest(c.next_offset, u.o)
      from unnest(cast(:partitions as int[]), cast(:offsets as bigint[])) u(p, o)
     where c.topic = :topic and c.partition = u.p
    """
)
_POSITIONS = named("select topic, partition, next_offset from checkpoints")
_HEADS = named("select topic, partition, next_offset from heads")
_VERSION = named(
    """
    select (select sum(next_offset) from heads where topic = :topic)::bigint,
           (select sum(next_offset) from checkpoints where topic = :topic)::bigint
    """
)
_TRIM = named(
    """
    delete from outbox o using checkpoints c
     where o.topic = c.topic and o.partition = c.partition and o."offset" < c.next_offset
    """
)
_LAG = named(
    """
    select h.topic, sum(h.next_offset - c.next_offset)::bigint
      from heads h join checkpoints c using (topic, partition) group by 1 order by 1
    """
)


async def claim(
    connection: Connection, topic: str, parts: Mapping[int, list[Record]]
) -> list[Record]:
    """Lock the checkpoints and return the records that are still to be handled.

    A record below its checkpoint was handled before: this is how a redelivery is a no-op and how
    a worker that lost its partition cannot do harm with what it still holds.
    """
    rows = await connection.execute(_CLAIM, {"topic": topic, "partitions": sorted(parts)})
    fresh: list[Record] = []
    for partition, next_offset in rows:
        todo = [record for record in parts[partition] if record.offset >= next_offset]
        if todo and todo[0].offset != next_offset:
            raise CdpError(
                f"{topic}/{partition}: expected offset {next_offset}, got {todo[0].offset}"
            )
        fresh.extend(todo)
    return fresh


async def advance(connection: Connection, topic: str, parts: Mapping[int, list[Record]]) -> None:
    """Move the checkpoints past these records. The rows are locked by `claim` already."""
    ends = {partition: records[-1].offset + 1 for partition, records in parts.items()}
    values = {"partitions": list(ends), "offsets": list(ends.values())}
    await connection.execute(_ADVANCE, {"topic": topic, **values})


async def positions(connection: Connection) -> dict[Place, int]:
    """The next offset to handle in each partition."""
    return {(t, p): offset for t, p, offset in await connection.execute(_POSITIONS)}


async def heads(connection: Connection) -> dict[Place, int]:
    """The offset that the next record appended to each partition will have."""
    return {(t, p): offset for t, p, offset in await connection.execute(_HEADS)}


async def version(connection: Connection, topic: str) -> tuple[int, int]:
    """How much came to a topic, and how much of it is handled: the same while nothing happens."""
    row = (await connection.execute(_VERSION, {"topic": topic})).one()
    return row[0], row[1]


async def trim(connection: Connection) -> int:
    """Delete what every consumer of the outbox has handled; returns how many rows went."""
    return (await connection.execute(_TRIM)).rowcount


async def lag(connection: Connection) -> dict[str, int]:
    """Records per topic that no agent has handled yet."""
    rows: Iterable[tuple[str, int]] = (tuple(row) for row in await connection.execute(_LAG))
    return dict(rows)
