"""The SQL of slots: one row of each destination with a rate, shared by all workers."""

from __future__ import annotations

from typing import NamedTuple

from activation.lanes.slots import LIMITED, Row
from cdp.db import Connection, named
from cdp.events import Instant

_ADD = named(
    "insert into delivery_slots (destination, free) values (:destination, 0)"
    " on conflict (destination) do nothing"
)
_TAKE = named("select free, last from delivery_slots where destination = :destination for update")
_PUT = named(
    "update delivery_slots set free = :free, last = :last where destination = :destination"
)
_WAITED_FOR = named(
    """
    select s.destination, s.free, s.last, cast(d.config->>'rate' as double precision)
      from delivery_slots s left join destinations d on d.key = s.destination
     where s.last is not null order by s.destination for update of s skip locked
    """
)
_OUT = named(
    """
    select count(*) from deliveries
     where destination = :destination and state = 'retrying' and reason = :reason
       and (due is null or due <= :now)
    """
)


class Waited(NamedTuple):
    """A destination that deliveries wait for; without a rate they need not any more."""

    destination: str
    row: Row
    rate: float | None


async def take(connection: Connection, destination: str) -> Row:
    """The row, locked until the transaction ends."""
    await connection.execute(_ADD, {"destination": destination})
    (row,) = await connection.execute(_TAKE, {"destination": destination})
    return Row(*row)


async def put(connection: Connection, destination: str, row: Row) -> None:
    """What is left of it."""
    await connection.execute(_PUT, {"destination": destination, "free": row.free, "last": row.last})


async def waited_for(connection: Connection) -> list[Waited]:
    """Where somebody waits; locked, but for those where slots are just being taken."""
    rows = await connection.execute(_WAITED_FOR)
    return [Waited(key, Row(free, last), rate) for key, free, last, rate in rows]


async def out(connection: Connection, destination: str, now: Instant) -> int:
    """How many were let go and have not come for their slots yet."""
    values = {"destination": destination, "reason": LIMITED, "now": now}
    ((count,),) = await connection.execute(_OUT, values)
    return int(count)
