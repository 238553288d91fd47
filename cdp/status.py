"""How the platform is doing, in a few numbers."""

from __future__ import annotations

from typing import Any

import profiles.store as profile_store
from cdp.db import Connection, named
from cdp.events import EVENTS
from cdp.log import quarantine
from cdp.stream import checkpoints

_EVENTS = named("select coalesce(sum(next_offset), 0)::bigint from heads where topic = :topic")
_PARKED = named('select topic, partition, "offset", error, at from parked order by at limit 20')
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


async def read(connection: Connection) -> dict[str, Any]:
    """Everything `cdp status` shows."""
    return {
        "events": (await connection.execute(_EVENTS, {"topic": EVENTS})).scalar_one(),
        "lag": await checkpoints.lag(connection),
        "profiles": await profile_store.count(connection),
        "parked": (await connection.execute(_PARKED_COUNT)).scalar_one(),
        "quarantined": await quarantine.count(connection),
        "uncollected": (await connection.execute(_UNCOLLECTED)).scalar_one(),
        "building": (await connection.execute(_BUILDING)).scalar_one(),
        "deliveries": {row[0]: row[1] for row in await connection.execute(_DELIVERIES)},
    }


async def parked(connection: Connection) -> list[dict[str, Any]]:
    """The oldest parked records, with their errors."""
    return [dict(row._mapping) for row in await connection.execute(_PARKED)]
