"""Who was who, and how they stood, as of an earlier time: the same functions over fewer facts.

A fact counts if we had received it by then, and what it says counts from when it says that it
happened. So a decision that reached us late changes nothing of what we knew before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import consent.store as consent_store
import identity.store as identity_store
from cdp.db import Connection
from cdp.events import Instant, ProfileId, SubjectId
from cdp.evidence import store
from cdp.log.keyring import Opened
from cdp.people import People
from consent.model import Decision, decisions, latest
from consent.standing import Ground, Standing, Told, standing
from identity.graph import NodeId, Verdict, verdict
from identity.graph import latest as latest_said
from identity.identifiers import ruling
from identity.model import Facts, resolve
from identity.rules import Rules
from identity.settling import closed


class Who(NamedTuple):
    """The identifiers of a person, apart where only likeness joined them."""

    sides: list[list[NodeId]]

    @property
    def nodes(self) -> list[NodeId]:
        """All of them."""
        return [node for side in self.sides for node in side]


@dataclass(frozen=True, slots=True)
class AsOf:
    """What was known at `at`. Rules, purposes, and where people were seen, are today's.

    `unseen` are identifiers that were not known yet, whatever late events say.
    """

    people: People
    rules: Rules
    at: Instant
    unseen: frozenset[NodeId] = frozenset()

    async def person(self, connection: Connection, node: NodeId) -> tuple[ProfileId, Who] | None:
        """The profile that an identifier was of, and who that was; None if it was not seen yet."""
        found = await self._resolved(connection, [node])
        for profile, who in found.items():
            if node in who.nodes:
                return profile, who
        return None

    async def persons(
        self, connection: Connection, profiles: Collection[ProfileId]
    ) -> dict[ProfileId, tuple[ProfileId, Who]]:
        """Who these profiles of today were then, each with its profile of today.

        Somebody is named after an identifier. Whose that is today decides where they belong, so
        each is told of one profile, whatever was merged or split since.
        """
        nodes = await identity_store.nodes_of(connection, profiles)
        home = {node: profile for profile, inside in nodes.items() for node in inside}
        found = await self._resolved(connection, home.keys())
        return {profile: (home[profile], who) for profile, who in found.items() if profile in home}

    async def stands(
        self, connection: Connection, people: Mapping[ProfileId, Who]
    ) -> dict[ProfileId, Mapping[str, Standing]]:
        """How each of them stood on every purpose."""
        ground = Ground(await consent_store.purposes(connection), self.people.home, self.at)
        nodes = {node for who in people.values() for node in who.nodes}
        taken = await self._decided(connection, nodes)
        seen = await consent_store.seen(connection, nodes)
        return {
            person: standing(
                ground,
                [[Told(taken.get(n, ()), seen.get(n, ())) for n in side] for side in who.sides],
            )
            for person, who in people.items()
        }

    async def facts(self, connection: Connection, subjects: Collection[SubjectId]) -> list[Opened]:
        """Everything these subjects had said of consent, oldest first."""
        return [
            each
            async for records in store.received(connection, subjects, self.at)
            for each in await self.people.keyring.open_events(connection, records)
        ]

    async def _decided(
        self, connection: Connection, subjects: Collection[SubjectId]
    ) -> dict[SubjectId, list[Decision]]:
        """The decision that counted for each signal, however many there are in the log."""
        taken: dict[SubjectId, list[Decision]] = {}
        async for records in store.received(connection, subjects, self.at):
            for subject, event in await self.people.keyring.open_events(connection, records):
                said = decisions(event)
                if said:
                    known = (*taken.get(subject, ()), *said)
                    taken[subject] = list(latest(known).values())
        return taken

    async def _resolved(
        self, connection: Connection, nodes: Collection[NodeId]
    ) -> dict[ProfileId, Who]:
        placed = await identity_store.nodes(connection, nodes)
        homes = {each.component for each in placed.values()}

        async def known(facts: Facts) -> Facts:
            return await self._known(connection, facts)

        part = await closed(connection, self.rules, homes, on_trial=True, choose=known)
        certain = part.resolution
        if part.facts.inferred:
            certain = resolve(part.facts, replace(self.rules, confidence=None))
        found: dict[ProfileId, dict[ProfileId, list[NodeId]]] = {}
        for each in part.members:
            node = each.node.id
            if each.node.first_seen <= self.at and node not in self.unseen:
                sides = found.setdefault(part.resolution.profiles[node], {})
                sides.setdefault(certain.profiles[node], []).append(node)
        return {profile: Who(list(sides.values())) for profile, sides in found.items()}

    async def _known(self, connection: Connection, facts: Facts) -> Facts:
        """Links whose evidence we had; of matching and of operators what was their word then."""
        events = {each.event for each in facts.edges} | {each.event for each in facts.inferred}
        events |= {each.event for each in facts.verdicts}
        late = await store.late(connection, events, self.at)
        ruled = facts.verdicts
        if any(each.event in late for each in ruled):
            ruled = await self._ruled(connection, {n for each in ruled for n in each[:2]})
        unseen = self.unseen | {node.id for node in facts.nodes if node.first_seen > self.at}
        likely = [e for e in facts.inferred if e.at <= self.at and e.event not in late]
        return facts._replace(
            edges=[e for e in facts.edges if e.first_seen <= self.at and e.event not in late],
            inferred=[e for e in likely if unseen.isdisjoint(e[:2])],
            verdicts=[e for e in ruled if unseen.isdisjoint(e[:2])],
        )

    async def _ruled(
        self, connection: Connection, subjects: Collection[SubjectId]
    ) -> list[Verdict]:
        hashed, said = self.people.keyring.vault.subject, []
        for each in await self.facts(connection, subjects):
            word = ruling(each.event)
            if word is not None:
                pair = hashed(*word.a), hashed(*word.b)
                said.append(verdict(*pair, together=word.together, at=word.at, event=word.event))
        return list(latest_said(said).values())
