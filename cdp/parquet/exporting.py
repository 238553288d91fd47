"""Reads what an export is to have: only of people who allow its purpose, a stretch at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import consent.stage as consent_stage
import identity.store as identity_store
import profiles.store as profile_store
from cdp import times
from cdp.assembly import Core
from cdp.db import Connection, named
from cdp.events import EVENTS, ProfileId
from cdp.log import store as log_store
from cdp.parquet import rows
from cdp.parquet.directory import Directory
from consent.model import denied
from consent.standing import granted
from identity.identifiers import TOLD
from profiles import segments
from profiles.stage import Person
from profiles.store import Membership

STRETCH = 10_000  # offsets, or people, at a time
_END = named("select next_offset from checkpoints where topic = :topic and partition = :partition")
_PROFILES = named("select id from profiles where id > :after order by id limit :limit")

_BORN = named("select value from meta where key = 'key_check'")

Row: TypeAlias = dict[str, Any]
Progress: TypeAlias = Callable[[str, int], None]


class Exported(NamedTuple):
    """How much a run wrote."""

    events: int
    profiles: int
    memberships: int


@dataclass(frozen=True, slots=True)
class Exporting:
    """An export for a purpose into a directory."""

    core: Core
    directory: Directory
    purpose: str
    progress: Progress

    async def run(self) -> Exported:
        """Whatever is new of the log, and everybody as they are now."""
        events = 0
        for partition in range(self.core.partitions):
            events += await self._partition(partition)
        day = times.iso(times.now())[:10]
        profiles: list[Any] = []
        memberships: list[Any] = []
        async for views, inside in self._people():
            profiles.append(rows.table(views, rows.PROFILES))
            memberships.append(rows.table(inside, rows.MEMBERSHIPS))
            self.progress("profiles", len(views))
        self.directory.replace("profiles", day, profiles)
        self.directory.replace("memberships", day, memberships)
        return Exported(events, sum(map(len, profiles)), sum(map(len, memberships)))

    async def _partition(self, partition: int) -> int:
        """What the agents have handled of it: only then is it known whose an event is."""
        written = 0
        while True:
            start = self.directory.offset(partition)
            async with self.core.database.transaction() as connection:
                values = {"topic": EVENTS, "partition": partition}
                end = (await connection.execute(_END, values)).scalar_one_or_none() or 0
                if start >= end:
                    return written
                limit = min(STRETCH, end - start)
                found = await log_store.read(connection, EVENTS, {partition: start}, limit)
                records = found.get(partition, [])[:limit]
                by_day = await self._events(connection, records)
            upto = records[-1].offset + 1 if records else end
            self.directory.add_events(partition, upto, by_day)
            count = sum(map(len, by_day.values()))
            written += count
            self.progress("events", count)

    async def _events(
        self, connection: Connection, records: Sequence[log_store.Record]
    ) -> dict[str, list[Row]]:
        await self.core.keyring.renew(connection)
        opened = await self.core.keyring.open_events(connection, records)
        placed = await identity_store.nodes(connection, {each.subject for each in opened})
        owner = {subject: each.profile for subject, each in placed.items()}
        allowed = await self._allowed(connection, set(owner.values()))
        signals = (await consent_stage.signals(connection)).get(self.purpose, frozenset())
        by_day: dict[str, list[Row]] = {}
        for subject, told in opened:
            profile = owner.get(subject, b"")
            told_by_others = told.type in TOLD and not told.corrects
            if profile not in allowed or told_by_others or not signals.isdisjoint(denied(told)):
                continue
            by_day.setdefault(times.iso(told.at)[:10], []).append(rows.event(told, profile))
        return by_day

    async def _allowed(
        self, connection: Connection, profiles: Collection[ProfileId]
    ) -> dict[ProfileId, Person]:
        """Those of these people who allow the purpose."""
        nodes = await self.core.people.nodes(connection, profiles)
        stands = await self.core.people.stands(connection, nodes, times.now())
        people = (Person(p, each, granted(stands[p]), None, "") for p, each in nodes.items())
        return {each.id: each for each in people if each.granted.get(self.purpose, False)}

    async def _people(self) -> AsyncIterator[tuple[list[Row], list[Row]]]:
        after = b""
        while True:
            async with self.core.database.transaction() as connection:
                values = {"after": after, "limit": STRETCH}
                ids = [row[0] for row in await connection.execute(_PROFILES, values)]
                if not ids:
                    return
                yield await self._rows(connection, await self._allowed(connection, ids))
            after = ids[-1]

    async def _rows(
        self, connection: Connection, people: Mapping[ProfileId, Person]
    ) -> tuple[list[Row], list[Row]]:
        """Of profiles and memberships; of segments, those that serve the purpose."""
        signals = await consent_stage.signals(connection)
        keys = {s.id: s.key for s in await segments.listed(connection) if s.purpose == self.purpose}
        nodes = {profile: each.nodes for profile, each in people.items()}
        profiles, now = self.core.people.profiles, times.now()
        without = signals.get(self.purpose, frozenset())
        unified = await profiles.unify(connection, nodes, without)
        computed = await profiles.computed(connection, list(people.values()), signals, now)
        inside: dict[ProfileId, list[Membership]] = {profile: [] for profile in unified}
        for each in await profile_store.memberships(connection, list(unified)):
            if each.segment in keys:
                inside[each.profile].append(each)
        told = [
            rows.profile(
                profile,
                known,
                computed=computed.get(profile, ({}, None))[0],
                inside=[keys[each.segment] for each in inside[profile]],
                allowed=people[profile].granted,
            )
            for profile, known in unified.items()
        ]
        return told, [
            rows.membership(keys[each.segment], each.profile, each.since)
            for of in inside.values()
            for each in of
        ]


async def instance_of(connection: Connection) -> str:
    """What tells this instance from others, as long as it lives."""
    born: bytes = (await connection.execute(_BORN)).scalar_one()
    return born.hex()
