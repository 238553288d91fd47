"""Brings destinations to how things are, slice by slice, behind what happens now.

A slice is one transaction: who is looked at, what is requested of them, and how far the run is. So
a run goes on where it was after any end of the scheduler, and nobody is told twice by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

import activation.store as delivery_store
import identity.store as identity_store
from activation.model import Destination
from activation.syncing import store
from activation.syncing.model import Run, Somebody, Told, Way, wanted
from cdp import metrics, times
from cdp.db import Connection, Database
from cdp.events import DELIVERIES, Instant, ProfileId
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.stream import checkpoints
from cdp.times import SECOND
from profiles import defining, presence
from profiles.presence import Audience

SLICE = 500  # people looked at in one transaction
MOST_WAITING = 500  # deliveries of all destinations that no agent has taken yet
MOST_OPEN = 2_000  # deliveries of one destination that are still to be made
_LONGEST = 60 * SECOND  # that a transaction of an agent may take


@dataclass(frozen=True, slots=True)
class Syncing:
    """Takes one run after the other a piece further."""

    database: Database
    partitions: int

    async def step(self) -> bool:
        """Do a bounded piece of work; False when there is none, or none that has room."""
        async with self.database.transaction() as connection:
            runs = await store.open_runs(connection)
            if not runs:
                return False
            if (await checkpoints.lag(connection)).get(DELIVERIES, 0) >= MOST_WAITING:
                return True
            for run in runs:
                if await store.under_way(connection, run.destination, MOST_OPEN) < MOST_OPEN:
                    after = await self._further(connection, run)
                    await store.keep(connection, after)
                    return after != run
        return False

    async def _further(self, connection: Connection, run: Run) -> Run:
        """The run after one slice; as it was if whom it is at is being evaluated just now."""
        target = await delivery_store.find(connection, run.destination)
        if target is None or not target.destination.enabled:
            return run.further("ended")
        if run.state == "waiting":
            members = await presence.count(connection, run.segments)
            # An evaluation that knows nothing of the destination yet is over before we look.
            await defining.hold(connection)
            return run._replace(members=members).further("members")
        destination = target.destination
        if destination.segments and run.segment not in destination.segments:
            return run.next()
        return await self._slice(connection, run, destination)

    async def _slice(self, connection: Connection, run: Run, destination: Destination) -> Run:
        audience = await presence.find(connection, run.segment)
        if audience is None:  # deleted: nobody is told of that
            return run.next()
        if run.state == "told":
            return await self._told(connection, run, destination, audience)
        if run.state == "members":
            return await self._members(connection, run, destination, audience)
        return await self._moved(connection, run, destination, audience)

    async def _members(
        self, connection: Connection, run: Run, destination: Destination, audience: Audience
    ) -> Run:
        page = await presence.page(connection, audience.id, run.position, SLICE)
        ready = list(takewhile(lambda each: each.held, page))
        people = {each.profile: each.since for each in ready}
        run = await self._tell(connection, run, destination, audience.purpose, people)
        if len(ready) == len(page) < SLICE:
            return run.further("moved")
        return run._replace(position=ready[-1].profile) if ready else run

    async def _moved(
        self, connection: Connection, run: Run, destination: Destination, audience: Audience
    ) -> Run:
        """Who became part of somebody that was passed already is looked at as that."""
        after = int.from_bytes(run.position)
        since = run.began - _LONGEST
        page = await presence.moved(connection, run.segment, since, after, SLICE)
        there = await presence.some(connection, audience.id, {profile for _, profile in page})
        ready = list(takewhile(lambda row: row[1] not in there or there[row[1]].held, page))
        people = {profile: there[profile].since for _, profile in ready if profile in there}
        run = await self._tell(connection, run, destination, audience.purpose, people)
        if len(ready) == len(page) < SLICE:
            return run.further("told")
        return run._replace(position=ready[-1][0].to_bytes(8)) if ready else run

    async def _told(
        self, connection: Connection, run: Run, destination: Destination, audience: Audience
    ) -> Run:
        """Of whom it was told, and who is not in any more."""
        page = await store.told_of(connection, run, SLICE)
        now = await identity_store.profiles(connection, page)
        absent = await _outside(connection, audience, {now.get(each, each) for each in page})
        if absent:
            await defining.hold(connection)  # nobody comes in while this is decided
            absent = await _outside(connection, audience, absent)
            people = dict.fromkeys(absent)
            run = await self._tell(connection, run, destination, "necessary", people)
        return run._replace(position=page[-1]) if len(page) == SLICE else run.next()

    async def _tell(
        self,
        connection: Connection,
        run: Run,
        destination: Destination,
        purpose: str,
        people: Mapping[ProfileId, Instant | None],
    ) -> Run:
        """Request what these take: all of them are in, or none is."""
        if not people:
            return run
        inside = run.state != "told"
        found = await _seen(connection, run, people, inside=inside)
        made = wanted(run, destination, purpose, found, times.now())
        new = [(each.id, each.profile) for each in await store.request(connection, made.new)]
        told = new + await store.take_up(connection, made.again)
        key = run.destination.encode()
        messages = [Message(DELIVERIES, key + profile, name) for name, profile in told]
        await log_store.emit(connection, messages, self.partitions)
        metrics.synced.labels(run.destination, "entered" if inside else "left").inc(len(told))
        if not inside:
            return run._replace(gone=run.gone + len(told))
        looked_at = run.looked_at + len(people)
        return run._replace(looked_at=looked_at, entered=run.entered + len(told))


async def _outside(
    connection: Connection, audience: Audience, profiles: set[ProfileId]
) -> set[ProfileId]:
    """Who of these is not in a segment, under any of their profile ids."""
    nodes = await identity_store.nodes_of(connection, profiles)
    ids = profiles | {node for each in nodes.values() for node in each}
    inside = await presence.among(connection, audience.id, ids)
    return {each for each in profiles if inside.isdisjoint([each, *nodes.get(each, ())])}


async def _seen(
    connection: Connection,
    run: Run,
    people: Mapping[ProfileId, Instant | None],
    *,
    inside: bool,
) -> list[Somebody]:
    """With what the destination was told of each last, and how each came in or left."""
    nodes = await identity_store.nodes_of(connection, list(people))
    of = {each: each for each in people}
    of |= {node: profile for profile, each in nodes.items() for node in each}
    last: dict[ProfileId, Told] = {}
    for told in (await store.last_told(connection, run, of)).values():
        profile = of[told.profile]
        if profile not in last or last[profile].at < told.at:
            last[profile] = told
    ways: dict[ProfileId, Way] = {}
    for way in map(Way._make, await presence.ways(connection, run.segment, of, entered=inside)):
        profile = of[way.profile]
        if profile not in ways or ways[profile].offset < way.offset:
            ways[profile] = way
    return [Somebody(p, since, last.get(p), ways.get(p)) for p, since in people.items()]
