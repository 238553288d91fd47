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
from types import MappingProxyType
from typing import NamedTuple

import activation.campaigns.store as campaigns
import activation.store as delivery_store
import consent.stage as consent
import identity.matching.store as matching
import identity.store as identity_store
import profiles.models.store as models
import profiles.store as profile_store
from activation import claims
from activation.campaigns.listening import listen
from activation.campaigns.stage import Campaigns
from activation.gate import Whom
from activation.model import ERASED, Ended, Entry
from activation.stage import Activation
from cdp import lapses, origins, refreshing, times, touches
from cdp.db import Database
from cdp.delivery.barring import barred
from cdp.delivery.campaigning import Looking
from cdp.delivery.permits import obliged, permit
from cdp.delivery.sending import Sends, count
from cdp.events import DELIVERIES, TOUCHED, ProfileId, SubjectId
from cdp.hearing import Hearing
from cdp.log.keyring import Keyring, opened
from cdp.log.store import Record, partition_of
from cdp.people import People, unfolded_decisions
from cdp.recounting import Recounting
from cdp.stream.stage import Unit
from cdp.telemetry import Traces
from consent.stage import Heard
from consent.standing import Standing, granted, until
from identity.stage import Identity
from profiles import carrying
from profiles.language import properties
from profiles.stage import Person, Profiles
from profiles.store import Recorded


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
    sends: Sends
    campaigns: Campaigns
    traces: Traces | None = None

    async def on_events(self, unit: Unit, records: Sequence[Record]) -> None:
        """Agent 1, per subject: resolve identity → apply consent → fold the fragment."""
        connection = unit.connection
        boxes = await self.keyring.renewed(connection, {record.key for record in records})
        homes = {subject: partition_of(subject, self.partitions) for subject in boxes}
        folding = await self.profiles.begin(connection, homes)
        listening = await listen(connection, properties.test, idle=self.profiles.replaying)
        hearing = Hearing(self.identity.listen(), Heard(), folding, listening)
        for subject, event in opened(records, boxes):
            hearing.hear(unit, subject, event)
        await campaigns.hear(connection, listening.heard)
        if not self.profiles.replaying:
            await campaigns.respond(connection, listening.responses)
            await self.activation.bounced(connection, listening.bounced, unit.now)
        await Recounting(self.keyring, self.profiles).run(connection, folding, records)
        resolved = await self.identity.resolve(connection, hearing.said, hearing.causes, unit.now)
        await consent.apply(connection, hearing.wished)
        await self.profiles.end(connection, folding)
        at = None if self.profiles.replaying else unit.now
        await carrying.split(connection, resolved.split, at)
        for profile in sorted(resolved.moved):
            unit.emit(TOUCHED, profile)
        for subject, cause in hearing.causes.items():
            if subject in resolved.profiles:  # a correction may be of somebody who is not here
                what = unit.origins.get(subject), self.profiles.changed(folding, subject)
                touch = touches.packed(cause, subject, *what)
                unit.emit(TOUCHED, resolved.profiles[subject], touch)

    async def on_touched(self, unit: Unit, records: Sequence[Record]) -> None:
        """Agent 2, per profile: unify → evaluate segments → record entries and exits."""
        await self.keyring.renew(unit.connection)
        causes = {record.key: touches.cause(record.value) for record in records}
        for record in records:
            unit.follow(record.key, touches.origin(record.value))
        seen = await self.evaluate(unit, causes, touches.changed_by_profile(records))
        await self._forward(unit, records, seen.people)
        await consent.open_collection(unit.connection, seen.people, seen.stands)
        entries = self._entries(unit, seen.changes)
        await self._request_deliveries(unit, entries)
        if not self.profiles.replaying:
            await self._campaign(unit, entries, seen)
            await matching.queue(unit.connection, causes.keys())
            await models.queue(unit.connection, causes.keys())
            if self.profiles.watched:
                await refreshing.queue(unit.connection, seen.people, unit.now)
            await self._tell_lapses(unit, seen)

    async def evaluate(
        self,
        unit: Unit,
        causes: Mapping[ProfileId, str],
        changed: Mapping[ProfileId, frozenset[bytes]] = MappingProxyType({}),
    ) -> Seen:
        """Settle these profiles as of the unit's instant, of some only as far as they `changed`."""
        connection = unit.connection
        people = await self.people.nodes(connection, causes)
        stands = await self.people.stands(connection, people, unit.now)
        allowed = {id(stand): (granted(stand), until(stand)) for stand in stands.values()}
        persons = [
            Person(
                profile, nodes, *allowed[id(stands[profile])], causes[profile], changed.get(profile)
            )
            for profile, nodes in people.items()
        ]
        signals = await consent.signals(connection)
        changes = await self.profiles.evaluate(connection, persons, signals, unit.now)
        return Seen(people, stands, changes)

    async def _forward(
        self, unit: Unit, records: Sequence[Record], people: Mapping[ProfileId, list[SubjectId]]
    ) -> None:
        """Profiles that became part of another, and subjects that moved on to one meanwhile."""
        await profile_store.drop_profiles(
            unit.connection, {record.key for record in records} - people.keys()
        )
        subjects = [(touches.subject(record), record) for record in records]
        away = {s: r.value for s, r in subjects if s not in people.get(r.key, ())}
        now_part_of = await identity_store.profiles(unit.connection, away.keys())
        for subject, profile in now_part_of.items():
            unit.emit(TOUCHED, profile, away[subject])

    def _entries(self, unit: Unit, changes: Sequence[Recorded]) -> list[Entry]:
        purposes = self.profiles.purposes()
        return [
            Entry(
                recorded.offset,
                recorded.change.segment,
                purposes[recorded.change.segment],
                recorded.change.profile,
                "entered" if recorded.change.entered else "left",
                recorded.change.at,
                origins.packed(unit.origins.get(recorded.change.profile)),
                recorded.change.cause,
            )
            for recorded in changes
        ]

    async def _request_deliveries(self, unit: Unit, entries: Sequence[Entry]) -> None:
        for delivery in await self.activation.request(unit.connection, entries):
            unit.emit(DELIVERIES, delivery.destination.encode() + delivery.profile, delivery.id)

    async def _campaign(self, unit: Unit, entries: Sequence[Entry], seen: Seen) -> None:
        """Begin journeys, and take those further that are due."""
        looking = Looking(unit.connection, self.people, seen.stands)
        for delivery in await self.campaigns.run(
            unit.connection, entries, seen.people, looking, unit.now
        ):
            unit.emit(DELIVERIES, delivery.destination.encode() + delivery.profile, delivery.id)

    async def _tell_lapses(self, unit: Unit, seen: Seen) -> None:
        """A yes that has ended: as a fact, and to whoever wants to ask again."""
        told = await lapses.tell(
            unit.connection, self.keyring, self.partitions, seen.people, seen.stands
        )
        ends = [Ended(each.fact, each.purpose, each.profile, each.at) for each in told]
        for delivery in await self.activation.announce(unit.connection, ends):
            unit.emit(DELIVERIES, delivery.destination.encode() + delivery.profile, delivery.id)

    async def on_deliveries(self, unit: Unit, records: Sequence[Record]) -> None:
        """Agent 3, per destination: check consent at this moment → send → record the outcome.

        Rows are locked before any decision is read: see `cdp.withdrawing`, which waits for that.
        """
        connection, claim = unit.connection, claims.begin(times.now)
        await self.keyring.renew(connection)
        claimed = await delivery_store.claim(connection, {record.value for record in records})
        if not claimed:
            return
        current = await identity_store.profiles(connection, {each.profile for each in claimed})
        claimed = [
            each._replace(profile=current.get(each.profile, each.profile)) for each in claimed
        ]
        people = await self.people.nodes(connection, {each.profile for each in claimed})
        nodes = {node for nodes in people.values() for node in nodes}
        tail = await unfolded_decisions(connection, self.keyring, nodes)
        stands = await self.people.stands(connection, people, claim.at, tail)
        stopped = await barred(connection, claimed, people)
        permits = {
            each.id: obliged()
            if each.kind == ERASED
            else permit(
                each.purpose,
                stands.get(each.profile, {}),
                suppressed=each.id in stopped,
            )
            for each in claimed
        }
        views = await self.people.load(connection, people)
        ready = await self.activation.admit(
            connection, claimed, permits, Whom(people, views), claim
        )
        await refreshing.note(connection, self.keyring.vault, ready)
        refused = [each.destination for each in claimed if not permits[each.id].granted]
        count(refused, self.activation.lanes.put_off())
        unit.after_commit.append(lambda: self.sends.begin(ready))
