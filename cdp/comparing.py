"""Compares people with those they share something with: who is probably one, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import consent.stage as consent_stage
import identity.store as identity_store
from cdp import times
from cdp.bounded import make_room
from cdp.confidence import PURPOSE
from cdp.db import Connection
from cdp.events import ProfileId, SubjectId
from cdp.people import People
from cdp.records import record
from identity import inferences
from identity.graph import Inference, NodeId
from identity.matching import store
from identity.matching.fields import Evidence, Matching, Record
from identity.matching.model import Model
from identity.matching.store import PartId
from identity.rules import Rules
from identity.settling import certain
from profiles.fragment import Fragment

HELD = 20_000  # records that are kept at hand; about 1 KB each
_SUREST = 0.9999  # likeness is never certain
_MOVED = 0.01  # by how much a probability must change to be worth a fact


# The fragments a record was made of, and the signals by which their events deny profiling.
_Version: TypeAlias = tuple[tuple[int | None, ...], frozenset[str]]


class Part(NamedTuple):
    """Somebody without inferred links; `record` is None unless they allow profiling."""

    nodes: list[NodeId]
    subject: SubjectId | None  # one of the nodes that has a fragment
    record: Record | None


class Told(NamedTuple):
    """What is to be said anew of two identifiers; the subject is one of the first's."""

    pair: tuple[NodeId, NodeId]
    subject: SubjectId
    probability: float
    evidence: list[Evidence]


@dataclass(frozen=True, slots=True)
class Comparing:
    """By these weights; `least` is the probability from which on anything is said.

    Without weights nobody is compared, and what was said of people who withdraw is taken back.
    """

    people: People
    rules: Rules
    matching: Matching
    model: Model | None
    least: float
    held: dict[PartId, tuple[_Version, Record]] = field(default_factory=dict)

    async def look(self, connection: Connection, profiles: Collection[ProfileId]) -> list[Told]:
        """Keep these people's keys up to date and say what changes between them and others."""
        mine = await self.parts(connection, profiles)
        allowed = {part: each.record for part, each in mine.items() if each.record is not None}
        names = {node for each in mine.values() for node in each.nodes}.union(profiles)
        await store.keep(
            connection,
            {part: self._keys(each) for part, each in allowed.items()},
            names - allowed.keys(),
        )
        pairs = await store.sharing(connection, allowed) if self.model else ()
        said = await inferences.about(connection, names)
        met = {end for pair in pairs for end in pair}.union(*(each[:2] for each in said))
        others = await identity_store.profiles(connection, met - names)
        every = mine | await self.parts(connection, set(others.values()) - set(profiles))
        return list(self._said(every, pairs, said))

    async def parts(
        self, connection: Connection, profiles: Collection[ProfileId]
    ) -> dict[PartId, Part]:
        """These profiles, divided where only inferred links hold them together."""
        whole = await self.people.nodes(connection, profiles)
        divided = await certain(connection, self.rules, whole)
        allowing = await consent_stage.allowing(
            connection, divided, PURPOSE, self.people.home, times.now()
        )
        signals = await consent_stage.signals(connection)
        without = signals.get(PURPOSE, frozenset())
        nodes = {node for inside in divided.values() for node in inside}
        fragments = await self.people.profiles.shelf.open(connection, nodes)
        found = {}
        for part, inside in divided.items():
            known = [node for node in inside if node in fragments]
            what = None
            if known and part in allowing:
                what = self._record(part, {node: fragments[node] for node in known}, without)
            found[part] = Part(inside, known[0] if known else None, what)
        return found

    def _record(
        self, part: PartId, fragments: Mapping[SubjectId, Fragment], without: frozenset[str]
    ) -> Record:
        """What is compared, unless it is at hand and nothing has changed."""
        versions = tuple(map(self.people.profiles.shelf.version, fragments))
        held = self.held.get(part)
        if held is not None and held[0] == (versions, without) and None not in versions:
            return held[1]
        self.held.pop(part, None)
        made = record(self.matching, fragments.values(), without)
        self.held[part] = (versions, without), made
        make_room(self.held, HELD)
        return made

    def _keys(self, each: Record) -> list[bytes]:
        vault = self.people.keyring.vault
        return [vault.subject("~key", block) for block in self.matching.blocks(each)]

    def _said(
        self,
        parts: Mapping[PartId, Part],
        pairs: Iterable[tuple[PartId, PartId]],
        said: Iterable[Inference],
    ) -> Iterator[Told]:
        """New words on pairs that were spoken of, then on those that were not."""
        home = {node: part for part, each in parts.items() for node in each.nodes}
        spoken = set()
        for each in said:
            one, other = home.get(each.a), home.get(each.b)
            if one is not None and other is not None and one != other:
                spoken.add((min(one, other), max(one, other)))
                told = self._told((each.a, each.b), parts[one], parts[other], each.probability)
                if told:
                    yield told
        for a, b in sorted(set(pairs) - spoken):
            if a in parts and b in parts:
                told = self._told((a, b), parts[a], parts[b], 0.0)
                if told:
                    yield told

    def _told(
        self, pair: tuple[NodeId, NodeId], one: Part, other: Part, before: float
    ) -> Told | None:
        subject = one.subject or other.subject
        if one.record is None or other.record is None:
            return Told(pair, subject, 0.0, []) if subject and before else None
        if self.model is None or subject is None:
            return None
        probability = min(round(self.model.probability(one.record, other.record), 4), _SUREST)
        now = probability if probability >= self.least else 0.0
        if not self._is_news(before, now):
            return None
        evidence = self.model.evidence(one.record, other.record) if now else []
        return Told(pair, subject, now, evidence)

    def _is_news(self, before: float, now: float) -> bool:
        bound = self.rules.confidence or 1.0
        crossed = (before >= bound) != (now >= bound) or bool(before) != bool(now)
        return crossed or abs(before - now) >= _MOVED
