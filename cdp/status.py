"""How the platform is doing, in a few numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import profiles.store as profile_store
from cdp.db import Connection, named
from cdp.events import EVENTS
from cdp.log import quarantine
from cdp.stream import checkpoints, leases

_EVENTS = named("select coalesce(sum(next_offset), 0)::bigint from heads where topic = :topic")
_PARKED_COUNT = named("select count(*) from parked")
_DELIVERIES = named("select state, count(*) from deliveries group by 1 order by 1")
_BUILDING = named(
    """
    select (select count(*) from builds where state <> 'done')
         + (select count(*) from identity_rules where state <> 'done')
         + (select count(*) from identity_trials where state <> 'done')
    """
)
_UNCOLLECTED = named("select coalesce(sum(events), 0)::bigint from uncollected")
_OLDEST = named(
    """
    select coalesce(greatest(0, extract(epoch from now() - min(e.received_at))), 0)::float8
      from checkpoints c join heads h using (topic, partition)
      join events e on e.partition = c.partition and e."offset" = c.next_offset
     where c.topic = :topic and c.next_offset < h.next_offset
    """
)
_PLACES = named(
    """
    select h.topic, h.partition, h.next_offset, c.next_offset,
           h.next_offset - greatest(c.next_offset, p.next_offset)
      from heads h join checkpoints c using (topic, partition)
      left join published p using (topic, partition)
     order by 1, 2
    """
)


class Place(NamedTuple):
    """A partition of a topic: its end, what is handled of it, what is not on Kafka, whose it is."""

    topic: str
    partition: int
    end: int
    handled: int
    unpublished: int
    worker: str

    @property
    def lag(self) -> int:
        """Records that no agent has handled yet."""
        return self.end - self.handled


async def read(connection: Connection) -> dict[str, Any]:
    """Everything `cdp status` shows."""
    return {
        "events": (await connection.execute(_EVENTS, {"topic": EVENTS})).scalar_one(),
        "lag": await checkpoints.lag(connection),
        "lag_seconds": await _oldest(connection),
        "profiles": await profile_store.count(connection),
        "parked": (await connection.execute(_PARKED_COUNT)).scalar_one(),
        "quarantined": await quarantine.count(connection),
        "uncollected": (await connection.execute(_UNCOLLECTED)).scalar_one(),
        "building": (await connection.execute(_BUILDING)).scalar_one(),
        "deliveries": {row[0]: row[1] for row in await connection.execute(_DELIVERIES)},
    }


async def places(connection: Connection) -> list[Place]:
    """Every partition of every topic."""
    owners = await leases.owners(connection)
    rows = await connection.execute(_PLACES)
    return [
        Place(topic, partition, end, handled, unpublished, owners.get((topic, partition), ""))
        for topic, partition, end, handled, unpublished in rows
    ]


async def _oldest(connection: Connection) -> float:
    """Seconds since the receipt of the oldest event that no agent has handled."""
    return float((await connection.execute(_OLDEST, {"topic": EVENTS})).scalar_one())
