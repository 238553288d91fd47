"""Folds events into fragments, and turns touched profiles into memberships and changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cdp.db import Connection
from cdp.events import Event, Identifier, Instant, ProfileId, SubjectId
from profiles import fragment, segments, store
from profiles.fragment import Active
from profiles.model import Definition, Profile, evaluate_all, join
from profiles.shelf import Shelf
from profiles.store import Change, Membership, Recorded


class Foldable(NamedTuple):
    """An event, whom it belongs to, where in the log it is, and the identifiers it carries."""

    event: Event
    subject: SubjectId
    partition: int
    identifiers: tuple[Identifier, ...]


class Person(NamedTuple):
    """A profile to evaluate: its identifiers, what they allow, and why it is looked at."""

    id: ProfileId
    nodes: Sequence[SubjectId]
    granted: Mapping[str, bool]
    cause: str


class Evaluated(NamedTuple):
    """A profile as evaluated: unified, and the segments it is in."""

    profile: Profile
    segments: list[str]


class Unified(NamedTuple):
    """What a chunk of touched profiles came to."""

    profiles: dict[ProfileId, Evaluated]
    changes: list[Recorded]


@dataclass(slots=True)
class Profiles:
    """Fragments and memberships; `hashed` is the graph's hash of an identifier.

    With `replaying`, every counter counts from the first event, and nothing is decided anew.
    """

    hashed: Callable[[str, str], SubjectId]
    shelf: Shelf
    replaying: bool = False
    _version: int = -1
    _definitions: list[Definition] = field(default_factory=list)

    async def fold(self, connection: Connection, items: Sequence[Foldable]) -> None:
        """Fold events into their subjects' fragments, in the caller's transaction."""
        partitions = sorted({item.partition for item in items})
        active = await self.counted(connection, partitions)
        homes = {item.subject: item.partition for item in items}
        opened = await self.shelf.open(connection, homes, lock=True)
        for item in items:
            folded = opened.get(item.subject)
            if folded is None:
                folded = opened[item.subject] = fragment.empty()
            fragment.fold(folded, item.event, item.identifiers, active[item.partition])
        for subject, each in opened.items():
            fragment.keep_only(each, active[homes[subject]])
        await self.shelf.seal(connection, opened)

    async def counted(
        self, connection: Connection, partitions: Sequence[int]
    ) -> dict[int, list[Active]]:
        """The counters kept in each log partition; in a replay all of them from the start."""
        if self.replaying:
            active = [Active(kept.id, kept.counter) for kept in await segments.kept(connection)]
            return dict.fromkeys(partitions, active)
        return await segments.active_by_partition(connection, partitions)

    async def evaluate(
        self, connection: Connection, people: Sequence[Person], now: Instant
    ) -> Unified:
        """Unify these profiles, settle their memberships as of now, record entries and exits."""
        definitions = await self._current(connection)
        before: dict[ProfileId, list[Membership]] = {}
        for membership in await store.memberships(connection, {n for p in people for n in p.nodes}):
            before.setdefault(membership.profile, []).append(membership)
        keys = {definition.id: definition.key for definition in definitions}
        joined = await self.unify(connection, {person.id: person.nodes for person in people})
        settled = _Settled({}, {}, [], [], set())
        for person in people:
            known = [each for node in person.nodes for each in before.get(node, ())]
            if person.id not in joined:
                settled.note(person, known, set(), keys, now)
                continue
            profile = joined[person.id]
            evaluation = evaluate_all(definitions, profile, person.granted, now)
            settled.dues[person.id] = evaluation.due
            inside = sorted(keys[number] for number in evaluation.member_of)
            settled.profiles[person.id] = Evaluated(profile, inside)
            settled.note(person, known, evaluation.member_of, keys, now)
        await store.drop_profiles(connection, {p.id for p in people} - settled.dues.keys())
        return await self._store(connection, settled, now)

    async def unify(
        self, connection: Connection, people: Mapping[ProfileId, Sequence[SubjectId]]
    ) -> dict[ProfileId, Profile]:
        """These profiles, as far as there is anything of them; nothing is locked or written."""
        active = [Active(kept.id, kept.counter) for kept in await segments.kept(connection)]
        nodes = {node for nodes in people.values() for node in nodes}
        fragments = await self.shelf.open(connection, nodes)
        unified: dict[ProfileId, Profile] = {}
        for profile, nodes_ in people.items():
            mine = {node: fragments[node] for node in nodes_ if node in fragments}
            if mine:
                unified[profile] = join(mine, active, self._belongs(nodes_))
        return unified

    def purposes(self) -> dict[str, str]:
        """The purpose of each segment, as of the last evaluation."""
        return {definition.key: definition.purpose for definition in self._definitions}

    async def _current(self, connection: Connection) -> list[Definition]:
        version = await segments.share(connection)
        if version != self._version:
            self._definitions = await segments.definitions(connection)
            self._version = version
        return self._definitions

    def _belongs(self, nodes: Sequence[SubjectId]) -> Callable[[str, str], bool]:
        mine = set(nodes)
        return lambda namespace, value: self.hashed(namespace, value) in mine

    async def _store(self, connection: Connection, settled: _Settled, now: Instant) -> Unified:
        if settled.moved:
            await store.replace_memberships(connection, settled.moved, settled.memberships)
        if settled.dues:
            await store.put_profiles(connection, settled.dues, now)
        changes = [] if self.replaying else settled.changes
        recorded = await store.record(connection, changes)
        return Unified(settled.profiles, recorded)


class _Settled(NamedTuple):
    """What an evaluation leaves to be written."""

    profiles: dict[ProfileId, Evaluated]
    dues: dict[ProfileId, Instant | None]
    memberships: list[Membership]
    changes: list[Change]
    moved: set[ProfileId]  # profiles, also former ones, whose memberships are written anew

    def note(
        self,
        person: Person,
        known: Sequence[Membership],
        member_of: set[int],
        keys: Mapping[int, str],
        now: Instant,
    ) -> None:
        """Compare with what was known under any of the person's former profile ids."""
        since: dict[int, Instant] = {}
        for each in known:
            since[each.segment] = min(each.since, since.get(each.segment, each.since))
        if since.keys() == member_of and all(each.profile == person.id for each in known):
            return
        self.moved.update(each.profile for each in known)
        self.moved.add(person.id)
        for segment in sorted(member_of):
            self.memberships.append(Membership(person.id, segment, since.get(segment, now)))
        for segment in sorted(member_of ^ since.keys()):
            if segment in keys:  # a deleted segment is left without a word
                entered = segment in member_of
                self.changes.append(Change(keys[segment], person.id, entered, now, person.cause))
