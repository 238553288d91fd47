"""Campaigns by schedule: when they come, everybody in their audience is to begin, slice by slice.

A slice and how far it is are one transaction, and a journey's id follows from campaign, wall and
person: whatever dies meanwhile, nobody begins twice and nobody is left out.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from activation.campaigns import occurrences, schedules, store, versions
from activation.campaigns.model import Campaign
from activation.campaigns.occurrences import Occurrence
from activation.campaigns.schedules import PERSON, Schedule
from activation.campaigns.store import Heard
from activation.pacing import store as pacing_store
from cdp import times, touches
from cdp.db import Connection, Database
from cdp.events import TOUCHED, Instant, ProfileId
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.people import People
from profiles import audience, segments

SLICE = 500
PATIENCE = 3600 * times.SECOND  # that an occurrence may be late
_FORGOTTEN = 31 * 86_400 * times.SECOND  # what was missed before that is not even noted
_MOST = 100  # missed ones that are noted at once
_NAMESPACE = uuid.UUID("5e0f9c1e-3c3f-5f0a-8a6c-8b1c1f0d7e52")


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Plans what is due, and begins it."""

    database: Database
    partitions: int
    people: People

    async def step(self) -> bool:
        """One slice of one occurrence; False if none is under way."""
        now = times.now()
        async with self.database.transaction() as connection:
            live = {each.key: each for each in await versions.live(connection) if each.schedule}
            await _plan(connection, list(live.values()), now)
            under_way = await occurrences.next_(connection)
            if under_way is None:
                return False
            campaign = live.get(under_way.campaign)
            await occurrences.go_on(
                connection,
                under_way._replace(state="missed", reason="deleted")
                if campaign is None
                else await self._begin(connection, campaign, under_way, now),
            )
        return True

    async def _begin(
        self, connection: Connection, campaign: Campaign, occurrence: Occurrence, now: Instant
    ) -> Occurrence:
        """For the next of the audience; returns how far it is then."""
        numbers = {key: number for number, key in (await segments.keys(connection)).items()}
        members = await audience.members(
            connection, numbers[campaign.audience], after=occurrence.after, limit=SLICE
        )
        found = [each.profile for each in members]
        instants = await self._instants(connection, campaign, occurrence, found)
        going = {who: at for who, at in instants.items() if at + PATIENCE > now}
        cause = f"schedule {occurrence.wall}"
        heard = [
            Heard(_id(campaign.key, who, cause), campaign.key, False, who, cause, at)
            for who, at in going.items()
        ]
        await store.hear(connection, heard)
        messages = [Message(TOUCHED, who, touches.TIMER) for who in going]
        await log_store.emit(connection, messages, self.partitions)
        return occurrence._replace(
            state="under way" if len(found) == SLICE else "done",
            after=found[-1] if found else occurrence.after,
            begun=occurrence.begun + len(going),
            late=occurrence.late + len(found) - len(going),
        )

    async def _instants(
        self,
        connection: Connection,
        campaign: Campaign,
        occurrence: Occurrence,
        profiles: Sequence[ProfileId],
    ) -> dict[ProfileId, Instant]:
        """When it comes to each of them."""
        if _schedule(campaign).zone != PERSON:
            return dict.fromkeys(profiles, occurrence.at)
        policy = await pacing_store.policy(connection)
        views = await self.people.load(connection, profiles)
        wall = datetime.fromisoformat(occurrence.wall)
        zones = {who: views.get(who, {}).get("timezone") or policy.zone for who in profiles}
        return {
            who: schedules.of_person(_schedule(campaign), wall, zone) for who, zone in zones.items()
        }


async def _plan(connection: Connection, campaigns: Sequence[Campaign], now: Instant) -> None:
    """Of what has come since the last look the last is begun, unless that is too late."""
    since = await occurrences.latest(connection, [each.key for each in campaigns])
    planned = [
        each
        for campaign in campaigns
        for each in _due(campaign, max(since[campaign.key], now - _FORGOTTEN), now)
    ]
    if planned:
        await occurrences.plan(connection, planned)


def _due(campaign: Campaign, since: Instant, now: Instant) -> list[Occurrence]:
    schedule, found = _schedule(campaign), []
    for wall in schedules.walls(schedule, since, now):
        told = wall.isoformat()
        reason = "a later one had come already"
        one = Occurrence(campaign.key, told, schedules.begins(schedule, wall), "missed", reason)
        found.append((one, schedules.ends(schedule, wall)))
    if not found:
        return []
    *earlier, (last, end) = found[-_MOST:]
    if campaign.paused:
        last = last._replace(reason="paused")
    elif end + PATIENCE <= now:
        last = last._replace(reason="nothing ran when it came, nor within an hour")
    else:
        last = last._replace(state="under way", reason="")
    return [*(each for each, _ in earlier), last]


def _schedule(campaign: Campaign) -> Schedule:
    assert campaign.schedule is not None
    return campaign.schedule


def _id(campaign: str, who: ProfileId, cause: str) -> bytes:
    return uuid.uuid5(_NAMESPACE, f"{campaign}/{who.hex()}/{cause}").bytes
