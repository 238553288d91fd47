"""Folds events into fragments, and turns touched profiles into memberships and changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from cdp.db import Connection
from cdp.events import Instant, ProfileId, SubjectId
from profiles import carrying, defining, keeping, store
from profiles.facts import Sight, Somebody
from profiles.folding import Folding
from profiles.fragment import Counting, Fragment, has_happened
from profiles.keeping import Counted
from profiles.language.aspects import Aspect
from profiles.model import (
    Computed,
    Definition,
    Evaluation,
    Profile,
    Shown,
    compute_all,
    evaluate_all,
    join,
)
from profiles.settled import Occasion, Settled
from profiles.shelf import Shelf
from profiles.store import Membership, Recorded
from profiles.verdicts import Case, Verdicts


class Person(NamedTuple):
    """A profile to evaluate: its identifiers, what they allow until when, why it is looked at.

    `changed` is what may be other of it, see `Profiles.changed`; None: anything.
    """

    id: ProfileId
    nodes: Sequence[SubjectId]
    granted: Mapping[str, bool]
    until: Instant | None
    cause: str
    changed: Set[bytes] | None = None


Signals: TypeAlias = Mapping[str, frozenset[str]]  # what means a purpose in events' consent stamps


class _Current(NamedTuple):
    """The definitions of a version, and the numbers of the counters that they ask."""

    version: int
    definitions: list[Definition]
    computed: list[Computed]
    numbers: dict[str, str]
    verdicts: Verdicts


_NOTHING = _Current(-1, [], [], {}, Verdicts([], lambda _: b""))
_MARK = 4  # bytes that stand for an aspect: one taken for another costs an evaluation


@dataclass(slots=True)
class Profiles:
    """Fragments and memberships; `hashed` is the graph's hash of an identifier.

    With `replaying`, every counter counts from the first event, and nothing is decided anew.
    """

    hashed: Callable[[str, str], SubjectId]
    shelf: Shelf
    replaying: bool = False
    watched: bool = False  # as of the last evaluation: computed traits that change are told
    _current: _Current = _NOTHING

    async def begin(self, connection: Connection, homes: Mapping[SubjectId, int]) -> Folding:
        """Lock and open the fragments of these subjects, each with its log partition."""
        kept = await self._kept(connection, sorted(set(homes.values())))
        return Folding(await self.shelf.open(connection, homes, lock=True), homes, kept)

    def changed(self, folding: Folding, subject: SubjectId) -> frozenset[bytes]:
        """What stands for all that may be other of somebody; nothing where few would ask."""
        few = not self._current.verdicts.worth()
        return frozenset() if few else frozenset(map(self._mark, folding.changed(subject)))

    def _mark(self, aspect: Aspect) -> bytes:
        return self.hashed(*aspect)[:_MARK]

    async def end(self, connection: Connection, folding: Folding) -> None:
        """Store what was folded."""
        await self.shelf.seal(connection, folding.done())

    async def counted(self, connection: Connection, homes: Collection[int]) -> Counted:
        """Which counters an event of these log partitions is in by now."""
        if self.replaying:
            every = await keeping.counting_all(connection)
            return lambda partition, offset: every
        return await keeping.counted(connection, homes)

    async def _kept(self, connection: Connection, partitions: Sequence[int]) -> dict[int, Counting]:
        """The counters kept in each log partition; in a replay all of them from the start."""
        if self.replaying:
            return dict.fromkeys(partitions, await keeping.counting_all(connection))
        return await keeping.counting_by_partition(connection, partitions)

    async def evaluate(
        self, connection: Connection, people: Sequence[Person], signals: Signals, now: Instant
    ) -> list[Recorded]:
        """Settle these profiles' memberships as of now; returns entries and exits, recorded."""
        current = await self._defined(connection)
        before = await self._before(connection, people)
        keys = {definition.id: definition.key for definition in current.definitions}
        settled = Settled({}, [], [], [], set())
        judged = await self._judged(connection, people, before, signals, now)
        for person in people:
            known = [each for node in person.nodes if node in before for each in before[node]]
            found = judged.get(person.id)
            if found is not None:
                dues = [due for due in (found.due, person.until) if due is not None]
                settled.dues[person.id] = min(dues, default=None)
            inside = found.member_of if found else set()
            settled.note(person.id, known, inside, keys, Occasion(now, person.cause))
        return await self._store(connection, people, settled, now)

    async def _before(
        self, connection: Connection, people: Sequence[Person]
    ) -> dict[ProfileId, list[Membership]]:
        before: dict[ProfileId, list[Membership]] = {}
        for membership in await store.memberships(connection, {n for p in people for n in p.nodes}):
            before.setdefault(membership.profile, []).append(membership)
        return before

    async def _judged(
        self,
        connection: Connection,
        people: Sequence[Person],
        before: Mapping[ProfileId, Sequence[Membership]],
        signals: Signals,
        now: Instant,
    ) -> dict[ProfileId, Evaluation]:
        """Like `_evaluated`, but no more than what can have changed since they were last judged."""
        verdicts = self._current.verdicts
        known = {p.id for p in people if verdicts.knows(p.id, p.changed)}
        versions = await store.versions(connection, known) if known else {}
        meaning = hash(frozenset(signals.items()))
        fragments = await self.shelf.open(connection, {n for p in people for n in p.nodes})
        found = {}
        for person in people:
            sight = self._seen(person, fragments, signals)
            if sight is not None:
                allowed = frozenset(each for each, yes in person.granted.items() if yes)
                ground = hash((meaning, allowed, frozenset(person.nodes)))
                inside = {each.segment for each in before.get(person.id, ())}
                rest = (person.changed, versions.get(person.id), ground)
                case = Case(person.id, sight, person.granted, inside, *rest)
                found[person.id] = verdicts.judge(case, now)
        return found

    async def inside(
        self, connection: Connection, people: Sequence[Person], signals: Signals, now: Instant
    ) -> dict[ProfileId, set[int]]:
        """Which segments these people would be in, if they were people."""
        await self._defined(connection)
        evaluated = await self._evaluated(connection, people, signals, now)
        return {profile: each.member_of for profile, each in evaluated.items()}

    async def sight(self, connection: Connection, person: Person, signals: Signals) -> Sight | None:
        """Somebody as each purpose may see them; None if there is nothing of them."""
        await self._defined(connection)
        fragments = await self.shelf.open(connection, person.nodes)
        return self._seen(person, fragments, signals)

    async def sights(
        self, connection: Connection, people: Sequence[Person], signals: Signals
    ) -> dict[ProfileId, Sight]:
        """Several people likewise, as far as there is anything of them."""
        await self._defined(connection)
        fragments = await self.shelf.open(connection, {n for p in people for n in p.nodes})
        seen = ((each.id, self._seen(each, fragments, signals)) for each in people)
        return {profile: sight for profile, sight in seen if sight is not None}

    async def computed(
        self, connection: Connection, people: Sequence[Person], signals: Signals, now: Instant
    ) -> dict[ProfileId, Shown]:
        """Their computed traits, and when these could change by time alone."""
        traits = (await self._defined(connection)).computed
        if not traits:
            return {}
        granted = {each.id: each.granted for each in people}
        return {
            profile: compute_all(traits, sight, granted[profile], now)
            for profile, sight in (await self.sights(connection, people, signals)).items()
        }

    def _seen(
        self, person: Person, fragments: Mapping[SubjectId, Fragment], signals: Signals
    ) -> Sight | None:
        mine = [fragments[node] for node in person.nodes if node in fragments]
        if not any(map(has_happened, mine)):
            return None
        somebody = Somebody(person.granted, self._belongs(person.nodes))
        return Sight(mine, self._current.numbers, signals, somebody)

    async def _evaluated(
        self, connection: Connection, people: Sequence[Person], signals: Signals, now: Instant
    ) -> dict[ProfileId, Evaluation]:
        """Segments, and when that changes by time alone; of those of whom there is anything."""
        current = self._current
        fragments = await self.shelf.open(connection, {n for p in people for n in p.nodes})
        found = {}
        for person in people:
            sight = self._seen(person, fragments, signals)
            if sight is not None:
                found[person.id] = evaluate_all(current.definitions, sight, person.granted, now)
        return found

    async def unify(
        self,
        connection: Connection,
        people: Mapping[ProfileId, Sequence[SubjectId]],
        without: frozenset[str] = frozenset(),
    ) -> dict[ProfileId, Profile]:
        """These profiles for reading, as far as there is anything of them; see `join`."""
        nodes = {node for nodes in people.values() for node in nodes}
        fragments = await self.shelf.open(connection, nodes)
        unified: dict[ProfileId, Profile] = {}
        for profile, nodes_ in people.items():
            mine = {node: fragments[node] for node in nodes_ if node in fragments}
            if any(map(has_happened, mine.values())):
                unified[profile] = join(mine, self._belongs(nodes_), without)
        return unified

    def purposes(self) -> dict[str, str]:
        """The purpose of each segment, as of the last evaluation."""
        return {definition.key: definition.purpose for definition in self._current.definitions}

    async def _defined(self, connection: Connection) -> _Current:
        version, self.watched = await defining.share(connection)
        if version != self._current.version:
            definitions = await defining.definitions(connection)
            numbers = await defining.numbers(connection)
            computed = await defining.computed(connection)
            verdicts = Verdicts(definitions, self._mark)
            self._current = _Current(version, definitions, computed, numbers, verdicts)
        return self._current

    def _belongs(self, nodes: Sequence[SubjectId]) -> Callable[[str, str], bool]:
        mine = set(nodes)
        return lambda namespace, value: self.hashed(namespace, value) in mine

    async def _store(
        self, connection: Connection, people: Sequence[Person], settled: Settled, now: Instant
    ) -> list[Recorded]:
        gone = {person.id for person in people} - settled.dues.keys()
        await store.drop_profiles(connection, gone)
        if settled.moved:
            await store.replace_memberships(connection, settled.moved, settled.memberships)
        if settled.dues:
            await store.put_profiles(connection, settled.dues, now)
        if self.replaying:
            return []
        await carrying.carry(connection, settled.carried)
        return await store.record(connection, settled.changes)
