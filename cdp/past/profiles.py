"""A profile as of an earlier time: the same functions over the facts that we had by then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import consent.stage as consent_stage
import identity.store as identity_store
from cdp.db import Connection
from cdp.events import Instant, SubjectId
from cdp.evidence import store as evidence
from cdp.evidence.asof import AsOf
from cdp.log import store as log_store
from cdp.past import store
from cdp.people import People, shown, view
from cdp.times import iso
from consent.model import denied, expired
from consent.standing import granted
from identity import identifiers
from identity.graph import NodeId
from identity.rules import Rules
from profiles import defining, keeping
from profiles.facts import Sight, Somebody
from profiles.fragment import Fragment, empty, fold, has_happened, parts
from profiles.model import Shown, compute_all, evaluate_all, join


class Then(NamedTuple):
    """Somebody at a moment: as the API shows profiles, and what the ledger says was decided."""

    shown: dict[str, Any]
    decided: dict[str, Instant]  # segments, and since when they were in it


@dataclass(frozen=True, slots=True)
class Past:
    """Reads profiles of earlier times. A fact counts if we had received it by then.

    Rules, purposes and definitions of segments are today's. So a segment here is one that they
    would have been in by today's definition; which ones they were in is for the ledger to say.
    """

    people: People
    rules: Rules

    async def profile(self, connection: Connection, node: NodeId, at: Instant) -> Then | None:
        """Whose identifier that was then; None if nothing had been received of them."""
        then = AsOf(self.people, self.rules, at)
        found = await then.person(connection, node)
        if found is None:
            return None
        fragments = await self._folded(connection, found[1].nodes, at)
        unseen = await self._unseen(connection, found[1].nodes, fragments, at)
        if unseen:  # an event that came in later says that it was there
            then = replace(then, unseen=unseen)
            found = await then.person(connection, node)
            if found is None:
                return None
        name, who = found
        fragments = {node: each for node, each in fragments.items() if node in who.nodes}
        if not any(map(has_happened, fragments.values())):
            return None
        stands = (await then.stands(connection, {name: who}))[name]
        mine, hashed = set(who.nodes), self.people.keyring.vault.subject

        def belongs(namespace: str, value: str) -> bool:
            return hashed(namespace, value) in mine

        somebody = Somebody(granted(stands), belongs)
        inside, computed = await self._told(connection, fragments, somebody, at)
        profile = join(fragments, belongs)
        content = shown(view(name, profile, inside, stands, computed).content)
        return Then(content, await store.decided(connection, who.nodes, at))

    async def _unseen(
        self,
        connection: Connection,
        nodes: Collection[NodeId],
        fragments: Mapping[SubjectId, Fragment],
        at: Instant,
    ) -> frozenset[NodeId]:
        """Identifiers that no event we had carried: neither theirs nor, by a link, anybody's."""
        hashed = self.people.keyring.vault.subject
        carried = {
            hashed(namespace, value)
            for fragment in fragments.values()
            for part in parts(fragment)
            for namespace, values in part.identifiers.items()
            for value in values
        }
        left = set(nodes) - carried
        edges = await identity_store.incident_edges(connection, left) if left else []
        late = await evidence.late(connection, {each.event for each in edges}, at)
        linked = {end for each in edges if each.event not in late for end in each[:2]}
        return frozenset(left - linked)

    async def _folded(
        self, connection: Connection, nodes: list[SubjectId], at: Instant
    ) -> dict[SubjectId, Fragment]:
        """What their events up to then amount to: never more than a stretch of them at hand."""
        wrong: dict[SubjectId, set[bytes]] = {}
        fragments = await self._read(connection, nodes, at, wrong)
        if wrong:  # what was corrected is known only once the corrections have been read
            fragments = await self._read(connection, nodes, at, wrong)
        return fragments

    async def _read(
        self,
        connection: Connection,
        nodes: list[SubjectId],
        at: Instant,
        wrong: dict[SubjectId, set[bytes]],
    ) -> dict[SubjectId, Fragment]:
        """Without what is `wrong`, to which all is added that was corrected by then."""
        kept = await keeping.counting_all(connection)
        fragments: dict[SubjectId, Fragment] = {}
        async for records in log_store.of_subjects(connection, nodes):
            for subject, event in await self.people.keyring.open_events(connection, records):
                if event.received_at > at:
                    continue
                if event.corrects:
                    wrong.setdefault(subject, set()).add(event.corrects)
                if event.type in identifiers.TOLD or expired(event):
                    continue
                named = identifiers.read(event)
                if named.subject is not None:
                    into = fragments.setdefault(subject, empty())
                    into.corrected |= wrong.get(subject, set())
                    fold(into, event, named.identifiers, kept, denied(event))
        return fragments

    async def _told(
        self,
        connection: Connection,
        fragments: dict[SubjectId, Fragment],
        somebody: Somebody,
        at: Instant,
    ) -> tuple[list[str], Shown]:
        """Segments and computed traits, by today's definitions."""
        numbers = await defining.numbers(connection)
        signals = await consent_stage.signals(connection)
        sight = Sight(list(fragments.values()), numbers, signals, somebody)
        definitions = await defining.definitions(connection)
        found = evaluate_all(definitions, sight, somebody.granted, at)
        inside = sorted(each.key for each in definitions if each.id in found.member_of)
        traits = await defining.computed(connection)
        return inside, compute_all(traits, sight, somebody.granted, at)


def told(then: Then, at: Instant) -> dict[str, Any]:
    """A profile of then as the API shows it."""
    decided = {segment: iso(since) for segment, since in then.decided.items()}
    return then.shown | {"as_of": iso(at), "decided": decided}
