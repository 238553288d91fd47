"""The path of an event. Read this file first.

    SDK ──HTTP──▶ collector ──append──▶ event log ──▶ [events]
                                                         │  on_events, per subject
                                                         ▼
                                                     [touched]
                                                         │  on_touched, per profile
                                                         ▼
                                                     [deliveries]
                                                         │  on_deliveries, per destination
                                                         ▼
                                                 web · e-mail · push · webhook

A topic exists only where the key changes. Each step handles a chunk of records in one
transaction, and its position moves in that transaction, so it happens exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import activation.store as delivery_store
import consent.stage as consent
import identity.matching.store as matching
import identity.store as identity_store
import profiles.store as profile_store
from activation.model import Delivery, Entry
from activation.stage import Activation, Permit, Ready
from cdp import times
from cdp.db import Database
from cdp.events import DELIVERIES, TOUCHED, ProfileId, SubjectId
from cdp.log.keyring import Keyring, opened
from cdp.log.store import Record, partition_of
from cdp.people import People, unfolded_decisions
from cdp.stream.stage import Unit
from consent.model import Standing, granted, is_about_consent
from identity import identifiers
from identity.stage import Identity
from profiles.stage import Person, Profiles
from profiles.store import Recorded

_ID = 16  # bytes of an event's id, and of a subject's


class Seen(NamedTuple):
    """Touched profiles: their identifiers, how they stand, and which segments they moved in."""

    people: dict[ProfileId, list[SubjectId]]
    stands: dict[ProfileId, Mapping[str, Standing]]
    changes: list[Recorded]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The three agents' work; every part it needs is handed in by `cdp.main`."""

    database: Database
    partitions: int
    keyring: Keyring
    identity: Identity
    profiles: Profiles
    people: People
    activation: Activation

    async def on_events(self, unit: Unit, records: Sequence[Record]) -> None:
        """Agent 1, per subject: resolve identity → apply consent → fold the fragment."""
        connection = unit.connection
        boxes = await self.keyring.load(connection, {record.key for record in records})
        homes = {subject: partition_of(subject, self.partitions) for subject in boxes}
        folding = await self.profiles.begin(connection, homes)
        said, decided, causes = self.identity.listen(), [], {}
        for subject, event in opened(records, boxes):
            if event.type in identifiers.TOLD:  # by an operator or by matching, not by the person
                said.tell(event)
                continue
            named = identifiers.read(event)
            if named.subject is None:
                continue
            said.hear(named, event)
            if is_about_consent(event):
                decided.append((subject, event))
            folding.add(subject, event, named.identifiers)
            causes[subject] = event.id
        resolved = await self.identity.resolve(connection, said, causes, unit.now)
        await consent.apply(connection, decided)
        await self.profiles.end(connection, folding)
        await profile_store.split(connection, resolved.split)
        for profile in sorted(resolved.moved):
            unit.emit(TOUCHED, profile)
        for subject, event_id in causes.items():
            unit.emit(TOUCHED, resolved.profiles[subject], event_id + subject)

    async def on_touched(self, unit: Unit, records: Sequence[Record]) -> None:
        """Agent 2, per profile: unify → evaluate segments → record entries and exits."""
        causes = {record.key: _cause(record.value) for record in records}
        seen = await self.evaluate(unit, causes)
        await self._forward(unit, records, seen.people)
        await consent.open_collection(unit.connection, seen.people, seen.stands)
        await self._request_deliveries(unit, seen.changes)
        if not self.profiles.replaying:
            await matching.queue(unit.connection, causes.keys())

    async def evaluate(self, unit: Unit, causes: Mapping[ProfileId, str]) -> Seen:
        """Settle these profiles as of the unit's instant."""
        connection = unit.connection
        people = await self.people.nodes(connection, causes)
        stands = await consent.standings(connection, people)
        allowed = {id(stand): granted(stand) for stand in stands.values()}  # mostly one
        persons = [
            Person(profile, nodes, allowed[id(stands[profile])], causes[profile])
            for profile, nodes in people.items()
        ]
        changes = await self.profiles.evaluate(connection, persons, unit.now)
        return Seen(people, stands, changes)

    async def _forward(
        self, unit: Unit, records: Sequence[Record], people: Mapping[ProfileId, list[SubjectId]]
    ) -> None:
        """Profiles that became part of another, and subjects that moved on to one meanwhile."""
        await profile_store.drop_profiles(
            unit.connection, {record.key for record in records} - people.keys()
        )
        away = {_subject(r): r.value for r in records if _subject(r) not in people.get(r.key, ())}
        now_part_of = await identity_store.profiles(unit.connection, away.keys())
        for subject, profile in now_part_of.items():
            unit.emit(TOUCHED, profile, away[subject])

    async def _request_deliveries(self, unit: Unit, changes: Sequence[Recorded]) -> None:
        purposes = self.profiles.purposes()
        entries = [
            Entry(
                recorded.offset,
                recorded.change.segment,
                purposes[recorded.change.segment],
                recorded.change.profile,
                "entered" if recorded.change.entered else "left",
                recorded.change.at,
            )
            for recorded in changes
        ]
        for delivery in await self.activation.request(unit.connection, entries):
            unit.emit(DELIVERIES, delivery.destination.encode() + delivery.profile, delivery.id)

    async def on_deliveries(self, unit: Unit, records: Sequence[Record]) -> None:
        """Agent 3, per destination: check consent at this moment → send → record the outcome."""
        connection = unit.connection
        claimed = await delivery_store.claim(connection, {record.value for record in records})
        if not claimed:
            return
        current = {
            each.profile: await identity_store.profile_of(connection, each.profile)
            for each in claimed
        }
        claimed = [each._replace(profile=current[each.profile] or each.profile) for each in claimed]
        people = await self.people.nodes(connection, {each.profile for each in claimed})
        nodes = {node for nodes in people.values() for node in nodes}
        tail = await unfolded_decisions(connection, self.keyring, nodes)
        stands = await consent.standings(connection, people, tail)
        permits = {each.id: _permit(each, stands.get(each.profile, {})) for each in claimed}
        views = await self.people.load(connection, people)
        ready = await self.activation.admit(connection, claimed, permits, views, unit.now)
        unit.after_commit.append(lambda: self._send(ready))

    async def _send(self, ready: Sequence[Ready]) -> None:
        """Outside any transaction. If this worker dies, the lease in the ledger brings it back."""
        marks = await self.activation.send(ready, times.now())
        async with self.database.transaction() as connection:
            await delivery_store.mark(connection, marks)


def _cause(value: bytes) -> str:
    """Why a profile is looked at: an event's id, or a word for what else made us."""
    return value[:_ID].hex() if len(value) == 2 * _ID else value.decode()


def _subject(touched: Record) -> SubjectId:
    """Whose event touched the profile; a profile's id is its earliest identifier."""
    return touched.value[_ID:] if len(touched.value) == 2 * _ID else touched.key


def _permit(delivery: Delivery, stands: Mapping[str, Standing]) -> Permit:
    stand = stands.get(delivery.purpose)
    if stand is None:
        return Permit(False, {"purpose": delivery.purpose, "state": "unknown"})
    cite = {"purpose": delivery.purpose, "state": stand.state, "fact": None, "at": None}
    if stand.decision is not None:
        cite |= {"fact": stand.decision.event.hex(), "at": times.iso(stand.decision.at)}
    return Permit(stand.state == "granted", cite)
