"""Settles parts of the stored graph: whole components where no rule can bite, else exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from cdp.db import Connection
from cdp.events import ProfileId
from identity import inferences, store, verdicts
from identity.graph import NodeId
from identity.groups import Why
from identity.marks import Marks
from identity.model import Facts, Resolution, inferred, profile_id, resolve
from identity.rules import Rules
from identity.store import BESIDE, BLOCKED, HELD, SHARED, Elder, Placed, Union
from identity.verdicts import Move


@dataclass(slots=True)
class Settling:
    """One transaction's worth; `fresh` nodes were nobody's before, so they move from nowhere."""

    connection: Connection
    rules: Rules
    fresh: Collection[NodeId]
    unions: list[Union] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    moved: set[ProfileId] = field(default_factory=set)

    @property
    def split(self) -> list[tuple[ProfileId, ProfileId]]:
        """A former profile, and one that left it."""
        return [(each.former, each.profile) for each in self.moves if each.kind == "split"]

    def is_plain(self, elders: Iterable[Elder]) -> bool:
        """Whether these raw components together are one profile, however they are linked."""
        sizes: Counter[str] = Counter()
        for elder in elders:
            if elder.special:
                return False
            sizes[elder.placed.node.namespace] += elder.size
        return self.rules.is_plain(sizes)

    def unite(self, elders: Sequence[Elder], cause: bytes) -> None:
        """Make these raw components one profile."""
        sizes: Counter[bytes] = Counter()
        for elder in elders:
            sizes[elder.placed.component] += elder.size
        into = max(sizes, key=lambda component: (sizes[component], component))
        profile = profile_id((elder.placed.node for elder in elders), self.rules)
        united = {
            Union(elder.placed.component, into, profile)
            for elder in elders
            if (elder.placed.component, elder.placed.profile) != (into, profile)
        }
        if united:
            were = {elder.placed.profile for elder in elders}
            before = {each for each in were if each not in self.fresh}
            self.unions += sorted(united)
            self.moved |= before | {profile}
            self.moves += [
                Move(each, profile, "merged", cause) for each in sorted(before - {profile})
            ]

    async def exactly(self, causes: Mapping[bytes, bytes]) -> frozenset[bytes]:
        """Resolve raw components from their edges, and all that they turn out to hang on to.

        All of them at once, each with its cause: what it takes is a few statements. Returns the
        components that were resolved, by their former names.
        """
        part = await closed(self.connection, self.rules, causes)
        after = _placed_anew(part, self.rules)
        before = {each.node.id: each for each in part.members}
        await store.assign(self.connection, [e for e in after if e is not before[e.node.id]])
        self._note(before, after, causes)
        return frozenset(each.component for each in part.members)

    def _note(
        self,
        before: Mapping[NodeId, Placed],
        after: Sequence[Placed],
        causes: Mapping[bytes, bytes],
    ) -> None:
        ways: dict[ProfileId, set[ProfileId]] = {}
        because: dict[ProfileId, bytes] = {}
        known = set()  # of so many nodes few ways: from a profile and component to a profile
        for each in after:
            node = each.node.id
            if node not in self.fresh:
                known.add((before[node].profile, before[node].component, each.profile))
            elif each.profile != node:
                self.moved.add(each.profile)
        for former, component, profile in known:
            ways.setdefault(former, set()).add(profile)
            because[former] = max(causes.get(component, b""), because.get(former, b""))
        for former, profiles in sorted(ways.items()):
            kind = "merged" if len(profiles) == 1 else "split"
            for profile in sorted(profiles - {former}):
                self.moves.append(Move(former, profile, kind, because[former]))
                self.moved |= {former, profile}


class Closed(NamedTuple):
    """Raw components with all that they hang on to by these rules, and what comes of them."""

    members: list[Placed]
    facts: Facts
    resolution: Resolution


Choice: TypeAlias = Callable[[Facts], Awaitable[Facts]]  # those that count, of all there are


async def closed(
    connection: Connection,
    rules: Rules,
    components: Collection[bytes],
    marks: Marks | None = None,
    *,
    on_trial: bool = False,
    choose: Choice | None = None,
) -> Closed:
    """Look, resolve, and look further where links lead out.

    On trial what is stored was found by other rules: `marks` overrule it, and what was shared is
    looked at anew wherever it is met. With `choose` only some of the facts count, but every node is
    still there.
    """
    around = set(components)
    while True:
        members = await store.members(connection, around)
        facts, context = await facts_about(connection, members, rules)
        if choose is not None:
            facts = await choose(facts)
        if marks is not None:
            alike = await store.nodes(connection, marks.alike_to({n.id for n in facts.nodes}))
            context += alike.values()
            nodes = [*facts.nodes, *(each.node for each in alike.values())]
            facts = marks.over(facts._replace(nodes=nodes))
            known = {each.id for each in facts.nodes}
            members = [each for each in members if each.node.id in known]
            context = [each for each in context if each.node.id in known]
        resolution = resolve(facts, rules)
        inside = {resolution.components[each.node.id] for each in members}
        more = {each.component for each in context if resolution.components[each.node.id] in inside}
        if on_trial:
            more |= {each.component for each in context if each.flags & SHARED}
        if not more - around:
            return Closed(members, facts, resolution)
        around |= more


async def certain(
    connection: Connection, rules: Rules, people: Mapping[ProfileId, list[NodeId]]
) -> dict[ProfileId, list[NodeId]]:
    """The same people as they would be if nothing was inferred: some are several."""
    nodes = {node for inside in people.values() for node in inside}
    likely = await inferences.about(connection, nodes, rules.confidence)
    ends = {end for each in likely for end in each[:2]}
    divided = {profile for profile, inside in people.items() if not ends.isdisjoint(inside)}
    found = {profile: list(n) for profile, n in people.items() if profile not in divided}
    if divided:
        of = {node for profile in divided for node in people[profile]}
        homes = {each.component for each in (await store.nodes(connection, of)).values()}
        without = await closed(connection, replace(rules, confidence=None), homes)
        for node in sorted(of):
            found.setdefault(without.resolution.profiles[node], []).append(node)
    return found


async def facts_about(
    connection: Connection, members: Sequence[Placed], rules: Rules
) -> tuple[Facts, list[Placed]]:
    """All that is known of these nodes and counts, and the others that they are linked with."""
    ids = {each.node.id for each in members}
    edges = await store.incident_edges(connection, ids)
    said = await verdicts.about(connection, ids)
    likely = await inferences.about(connection, ids, rules.confidence)
    pairs = [*edges, *said, *likely]
    ends = {pair[0] for pair in pairs} | {pair[1] for pair in pairs}
    context = list((await store.nodes(connection, ends - ids)).values())
    facts = Facts(
        [each.node for each in (*members, *context)],
        edges,
        said,
        {each.node.id for each in (*members, *context) if each.flags & BLOCKED},
        {each.node.id for each in context if each.flags & SHARED},
        likely,
    )
    return facts, context


def _placed_anew(part: Closed, rules: Rules) -> list[Placed]:
    """The members with the component, profile and flags that the resolution gives them.

    Those that keep theirs are the same objects: in a large component that is nearly all of them.
    """
    resolution = part.resolution
    names = _names(part.members, resolution)
    barred = resolution.shared | set(part.facts.blocked)
    beside = {end for said in part.facts.verdicts for end in said[:2]}
    for a, b, *_ in (*part.facts.edges, *inferred(part.facts, rules)):
        if a in barred or b in barred:
            beside |= {a, b}
    held = {end for r in resolution.refused if r.why == Why.HELD for end in r.edge[:2]}
    anew = []
    for each in part.members:
        node = each.node.id
        flags = each.flags & BLOCKED
        flags |= SHARED if node in resolution.shared else 0
        flags |= BESIDE if node in beside else 0
        flags |= HELD if node in held else 0
        profile, component = resolution.profiles[node], names[resolution.components[node]]
        as_before = (component, profile, flags) == each[1:]
        anew.append(each if as_before else Placed(each.node, component, profile, flags))
    return anew


def _names(members: Sequence[Placed], resolution: Resolution) -> dict[NodeId, bytes]:
    """What each raw component is called: by the first of its own nodes, so no other is."""
    names: dict[NodeId, bytes] = {}
    for each in members:
        part, node = resolution.components[each.node.id], each.node.id
        if part not in names or node < names[part]:
            names[part] = node
    return names
