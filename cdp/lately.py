"""What would have begun a campaign lately: entries and exits, events in the log, a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import identity.store as identity_store
from activation.campaigns import schedules
from activation.campaigns.listening import Listening
from activation.campaigns.model import Campaign, Start
from cdp.db import Connection, named
from cdp.events import Instant
from cdp.log.keyring import Keyring
from cdp.log.store import Record
from consent.model import expired
from profiles.language import properties

MOST = 20_000  # starts, the latest
MOST_EVENTS = 100_000  # that are looked at, the latest
_SLICE = 200  # events of a partition at a time: the loop that answers others waits meanwhile

_CHANGES = named(
    """
    select profile, "offset", at from changes
     where segment = :segment and entered = :entered and at > :since
     order by "offset" desc limit :most
    """
)
_MEMBERS = named(
    """
    select m.profile from memberships m join segments s on s.id = m.segment
     where s.key = :segment order by m.profile limit :most
    """
)
_EVENTS = named(
    """
    select e.partition, e."offset", e.subject, e.id, e.payload,
           cast(extract(epoch from e.received_at) * 1000000 as bigint)
      from unnest(cast(:partitions as int[]), cast(:befores as bigint[])) w(p, o)
     cross join lateral (
        select * from events where partition = w.p and "offset" < w.o
         order by "offset" desc limit :limit) e
     order by e.partition, e."offset" desc
    """
)
_LAST = (1 << 63) - 1


class Lately(NamedTuple):
    """Starts, oldest first, and since when: later than asked for where there is too much."""

    starts: list[Start]
    since: Instant
    whole: bool  # whether that is all of the time that was asked for, and of everybody


async def by_segment(connection: Connection, campaign: Campaign, since: Instant) -> Lately:
    """By who entered its segment, or left it."""
    values = {"segment": campaign.segment, "entered": campaign.on == "entered", "since": since}
    rows = list(await connection.execute(_CHANGES, {**values, "most": MOST}))
    starts = [Start(campaign.key, row[0], str(row[1]), row[2]) for row in reversed(rows)]
    whole = len(starts) < MOST
    return Lately(starts, since if whole else starts[0].at, whole)


async def by_schedule(
    connection: Connection, campaign: Campaign, since: Instant, now: Instant
) -> Lately:
    """By when it came, for everybody who is in the audience now."""
    assert campaign.schedule is not None
    values = {"segment": campaign.audience, "most": MOST}
    members = [row[0] for row in await connection.execute(_MEMBERS, values)]
    came = list(schedules.walls(campaign.schedule, since, now))
    latest = came[-(MOST // max(len(members), 1) or 1) :]
    starts = [
        Start(campaign.key, who, wall.isoformat(), schedules.begins(campaign.schedule, wall))
        for wall in latest
        for who in members
    ]
    every = len(latest) == len(came)
    whole = every and len(members) < MOST
    return Lately(starts, since if every or not starts else starts[0].at, whole)


async def by_event(
    connection: Connection, keyring: Keyring, partitions: int, campaign: Campaign, since: Instant
) -> Lately:
    """By the events that it begins by, as the agent hears them."""
    listening = Listening({campaign.segment: [(campaign.key, properties.test(campaign.where))]}, {})
    places, looked_at, oldest = dict.fromkeys(range(partitions), _LAST), 0, since
    while places and looked_at < MOST_EVENTS and len(listening.heard) < MOST:
        values = {"partitions": list(places), "befores": list(places.values()), "limit": _SLICE}
        rows = list(await connection.execute(_EVENTS, values))
        found = [Record(*row[1:5]) for row in rows if row[5] > since]
        for subject, event in await keyring.open_events(connection, found):
            if event.timestamp > since and not expired(event):
                listening.hear(subject, event)
        looked_at += len(found)
        places = _further(rows, since)
        oldest = max(since, min((row[5] for row in rows if row[0] in places), default=since))
    told = sorted(listening.heard, key=lambda each: each.at)[-MOST:]
    homes = await identity_store.profiles(connection, {each.subject for each in told})
    starts = [
        Start(campaign.key, homes[each.subject], each.cause, each.at)
        for each in told
        if each.subject in homes
    ]
    return Lately(starts, oldest if places else since, not places)


def _further(rows: Sequence[Sequence[int]], since: Instant) -> dict[int, int]:
    """Where each partition is to be read on, if there is more of that time."""
    counts: dict[int, int] = {}
    ends: dict[int, tuple[int, Instant]] = {}
    for row in rows:
        counts[row[0]] = counts.get(row[0], 0) + 1
        ends[row[0]] = (row[1], row[5])
    return {
        partition: offset
        for partition, (offset, received) in ends.items()
        if counts[partition] == _SLICE and received > since
    }
