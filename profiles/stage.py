"""Folds events into fragments, and turns touched profiles into memberships and changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cdp.db import Connection
from cdp.events import Box, Event, Identifier, Instant, ProfileId, SubjectId
from profiles import fragment, segments, store
from profiles.fragment import Active, Fragment
from profiles.model import Definition, Profile, evaluate_all, join, subjects_with_fragments
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
    replaying: bool = False
    _version: int = -1
    _definitions: list[Definition] = field(default_factory=list)

    async def fold(
        self, connection: Connection, items: Sequence[Foldable], boxes: Mapping[SubjectId, Box]
    ) -> None:
        """Fold events into their subjects' fragments, in the caller's transaction."""
        partitions = sorted({item.partition for item in items})
        active = await self.counted(connection, partitions)
        subjects = {item.subject for item in items}
        opened = await self.open(connection, subjects, boxes, lock=True)
        homes: dict[SubjectId, int] = {}
        for item in items:
            homes[item.subject] = item.partition
            fragment.fold(
                opened.setdefault(item.subject, fragment.empty()),
                item.event,
                item.identifiers,
                active[item.partition],
            )
        for subject, each in opened.items():
            fragment.keep_only(each, active[homes[subject]])
        await self.seal(connection, opened, boxes)

    async def counted(
        self, connection: Connection, partitions: Sequence[int]
    ) -> dict[int, list[Active]]:
        """The counters kept in each log partition; in a replay all of them from the start."""
        if self.replaying:
            active = [Active(kept.id, kept.counter) for kept in await segments.kept(connection)]
            return dict.fromkeys(partitions, active)
        return await segments.active_by_partition(connection, partitions)

    async def open(
        self,
        connection: Connection,
        subjects: set[SubjectId],
        boxes: Mapping[SubjectId, Box],
        *,
        lock: bool = False,
    ) -> dict[SubjectId, Fragment]:
        """The fragments of these subjects, as far as there are any and their keys exist."""
        sealed = await store.fragments(connection, subjects, lock=lock)
        return {
            subject: fragment.decode(boxes[subject].unpack(data, b"fragment" + subject))
            for subject, data in sealed.items()
            if subject in boxes
        }

    async def seal(
        self,
        connection: Connection,
        fragments: Mapping[SubjectId, Fragment],
        boxes: Mapping[SubjectId, Box],
    ) -> None:
        """Write fragments back."""
        sealed = {
            subject: boxes[subject].pack(fragment.encode(each), b"fragment" + subject)
            for subject, each in fragments.items()
        }
        if sealed:
            await store.put_fragments(connection, sealed)

    async def evaluate(
        self,
        connection: Connection,
        people: Sequence[Person],
        boxes: Mapping[SubjectId, Box],
        now: Instant,
    ) -> Unified:
        """Unify these profiles, settle their memberships as of now, record entries and exits."""
        definitions = await self._current(connection)
        active = [Active(kept.id, kept.counter) for kept in await segments.kept(connection)]
        nodes = {node for person in people for node in person.nodes}
        fragments = await self.open(connection, nodes, boxes)
        before: dict[ProfileId, list[Membership]] = {}
        for membership in await store.memberships(connection, nodes):
            before.setdefault(membership.profile, []).append(membership)
        keys = {definition.id: definition.key for definition in definitions}
        settled = _Settled({}, {}, [], [], set())
        for person in people:
            known = [each for node in person.nodes for each in before.get(node, ())]
            mine = subjects_with_fragments(person.nodes, fragments)
            if not mine:
                settled.note(person, known, set(), keys, now)
                continue
            profile = join(mine, active, self._belongs(person.nodes))
            evaluation = evaluate_all(definitions, profile, person.granted, now)
            settled.dues[person.id] = evaluation.due
            inside = sorted(keys[number] for number in evaluation.member_of)
            settled.profiles[person.id] = Evaluated(profile, inside)
            settled.note(person, known, evaluation.member_of, keys, now)
        await store.drop_profiles(connection, {p.id for p in people} - settled.dues.keys())
        return await self._store(connection, settled, now)

    async def unify(
        self,
        connection: Connection,
        people: Mapping[ProfileId, Sequence[SubjectId]],
        boxes: Mapping[SubjectId, Box],
    ) -> dict[ProfileId, Profile]:
        """Profiles for reading: nothing is locked, nothing is written."""
        active = [Active(kept.id, kept.counter) for kept in await segments.kept(connection)]
        nodes = {node for nodes in people.values() for node in nodes}
        fragments = await self.open(connection, nodes, boxes)
        unified: dict[ProfileId, Profile] = {}
        for profile, nodes_ in people.items():
            mine = subjects_with_fragments(nodes_, fragments)
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
