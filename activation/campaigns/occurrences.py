"""The SQL of the times at which campaigns by schedule come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId

State: TypeAlias = Literal["under way", "done", "missed"]

_LATEST = named(
    """
    select c.key, greatest(
               coalesce((select max(o.at) from campaign_occurrences o where o.campaign = c.key), 0),
               cast(extract(epoch from v.made_at) * 1000000 as bigint))
      from campaigns c join campaign_versions v using (key, version)
     where c.key = any(:keys)
    """
)
_PLAN = named(
    """
    insert into campaign_occurrences (campaign, wall, at, state, reason)
    select * from unnest(cast(:campaigns as text[]), cast(:walls as text[]),
                         cast(:ats as bigint[]), cast(:states as text[]), cast(:reasons as text[]))
    on conflict (campaign, wall) do nothing
    """
)
_NEXT = named(
    """
    select campaign, wall, at, state, reason, after, begun, late from campaign_occurrences
     where state = 'under way' order by at, campaign limit 1 for update skip locked
    """
)
_GO_ON = named(
    """
    update campaign_occurrences
       set state = :state, reason = :reason, after = :after, begun = :begun, late = :late
     where campaign = :campaign and wall = :wall
    """
)
_LISTED = named(
    """
    select campaign, wall, at, state, reason, after, begun, late from campaign_occurrences
     where campaign = :campaign order by at desc limit :limit
    """
)


class Occurrence(NamedTuple):
    """A time at which a campaign came, or was missed, and why; `at` is its first instant."""

    campaign: str
    wall: str
    at: Instant
    state: State
    reason: str = ""
    after: ProfileId = b""  # up to whom of the audience it is
    begun: int = 0  # for so many; who of these may not begin, their journey says
    late: int = 0  # where some live it was over for too long


async def latest(connection: Connection, keys: Sequence[str]) -> dict[str, Instant]:
    """Since when occurrences of these are to be planned: after the last, or from their version."""
    rows = await connection.execute(_LATEST, {"keys": list(keys)})
    return {row[0]: row[1] for row in rows}


async def plan(connection: Connection, planned: Sequence[Occurrence]) -> None:
    """Each once."""
    values = {
        "campaigns": [each.campaign for each in planned],
        "walls": [each.wall for each in planned],
        "ats": [each.at for each in planned],
        "states": [each.state for each in planned],
        "reasons": [each.reason for each in planned],
    }
    await connection.execute(_PLAN, values)


async def next_(connection: Connection) -> Occurrence | None:
    """One that is under way, held until the transaction ends."""
    row = (await connection.execute(_NEXT)).first()
    return Occurrence(*row) if row else None


async def go_on(connection: Connection, occurrence: Occurrence) -> None:
    """Note how far it is."""
    values = occurrence._asdict()
    del values["at"]
    await connection.execute(_GO_ON, values)


async def listed(connection: Connection, campaign: str, limit: int = 100) -> list[Occurrence]:
    """The latest first."""
    rows = await connection.execute(_LISTED, {"campaign": campaign, "limit": limit})
    return [Occurrence(*row) for row in rows]
