"""How far the log and the outbox have been published, kept where they are."""

from __future__ import annotations

from collections.abc import Mapping

from faust.types import TP

from cdp.db import Connection, named

_BEGIN = named(
    """
    insert into published (topic, partition, next_offset)
    select topic, partition, next_offset from checkpoints on conflict do nothing
    """
)
_READ = named(
    """
    select topic, partition, greatest(p.next_offset, c.next_offset)
      from published p join checkpoints c using (topic, partition)
    """
)
_LAG = named(
    """
    select h.topic, sum(coalesce(p.next_offset, 0))::bigint,
           sum(h.next_offset - greatest(c.next_offset, p.next_offset))::bigint
      from heads h join checkpoints c using (topic, partition)
      left join published p using (topic, partition) group by 1
    """
)
_MOVE = named(
    """
    update published p set next_offset = greatest(p.next_offset, u.o)
      from unnest(cast(:partitions as int[]), cast(:offsets as bigint[])) u(p, o)
     where p.topic = :topic and p.partition = u.p
    """
)


async def begin(connection: Connection) -> None:
    """On an instance that has not been published yet, start where the agents are."""
    await connection.execute(_BEGIN)


async def read(connection: Connection) -> dict[TP, int]:
    """The next offset to publish; what every agent has handled counts as published."""
    return {TP(t, p): offset for t, p, offset in await connection.execute(_READ)}


async def lag(connection: Connection) -> dict[str, tuple[int, int]]:
    """Of each topic how many records were ever published, and how many still have to be."""
    return {topic: (done, left) for topic, done, left in await connection.execute(_LAG)}


async def move(connection: Connection, topic: str, offsets: Mapping[int, int]) -> None:
    """Everything below these offsets is on Kafka."""
    values = {"partitions": list(offsets), "offsets": list(offsets.values())}
    await connection.execute(_MOVE, {"topic": topic, **values})
