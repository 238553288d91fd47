"""What would change by other identity rules: who would merge and split, and what that does."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

import consent.stage as consent_stage
import profiles.store as profile_store
from cdp import times
from cdp.db import Connection, named
from cdp.events import Box, ProfileId
from cdp.people import People
from consent.standing import granted
from identity import explain, store
from identity.graph import NodeId
from identity.marks import Marks
from identity.rules import Rules
from identity.settling import Closed, closed
from identity.spelling import MARK
from profiles import segments
from profiles.stage import Person

LARGEST = 20  # changes that are shown one by one
NAMED = 10  # identifiers of each that are named
EVALUATED = 20_000  # profiles at most whose segments are looked at anew

_SIZES = named(
    """
    select size, count(*) from (
        select count(*) as size from nodes where namespace not like '~%' group by profile) s
     group by 1
    """
)
_BOUNDS = (1, 2, 5, 20, 100)


@dataclass(slots=True)
class Changes:
    """What other rules would do: whose profile would be another, (now, then)."""

    rules: Rules
    marks: Marks | None = None  # by these rules; None: as it is marked now
    moved: dict[NodeId, tuple[ProfileId, ProfileId]] = field(default_factory=dict)
    parts: dict[ProfileId, list[NodeId]] = field(default_factory=dict)  # new profiles, whole
    olds: dict[ProfileId, int] = field(default_factory=dict)  # sizes of the profiles they are of

    def note(self, part: Closed) -> None:
        """A part of the graph as it would be; looked at again, the later look counts."""
        after: dict[ProfileId, list[NodeId]] = {}
        before: Counter[ProfileId] = Counter()
        for each in part.members:
            if each.node.namespace.startswith(MARK):
                continue  # not an identifier of anybody
            node, then = each.node.id, part.resolution.profiles[each.node.id]
            after.setdefault(then, []).append(node)
            before[each.profile] += 1
            if then == each.profile:
                self.moved.pop(node, None)
            else:
                self.moved[node] = (each.profile, then)
        ids = (each.node.id for each in part.members)
        touched = {end for node in ids if node in self.moved for end in self.moved[node]}
        self.parts.update((then, nodes) for then, nodes in after.items() if then in touched)
        self.olds.update((now, size) for now, size in before.items() if now in touched)

    def groups(self) -> list[tuple[set[ProfileId], set[ProfileId], list[NodeId]]]:
        """What hangs together: profiles as they are, as they would be, and who moves."""
        import networkx as nx  # only here: most processes never try rules

        graph: nx.Graph[tuple[str, ProfileId]] = nx.Graph()
        for now, then in set(self.moved.values()):
            graph.add_edge(("now", now), ("then", then))
            if now in self.parts:
                graph.add_edge(("now", now), ("then", now))
            if then in self.olds:
                graph.add_edge(("now", then), ("then", then))
        movers: dict[ProfileId, list[NodeId]] = {}
        for node, (now, _) in self.moved.items():
            movers.setdefault(now, []).append(node)
        found = []
        for group in nx.connected_components(graph):
            olds = {profile for side, profile in group if side == "now"}
            news = {profile for side, profile in group if side == "then"}
            who = [node for old in sorted(olds) for node in movers.get(old, ())]
            found.append((olds, news, who))
        return sorted(found, key=lambda each: (-len(each[2]), sorted(each[0])))


async def outcome(
    connection: Connection, people: People, current: Rules, changes: Changes
) -> dict[str, Any]:
    """The difference, for people to read."""
    groups = await asyncio.to_thread(changes.groups)  # of a large graph it takes seconds
    before: dict[int, int] = {row[0]: row[1] for row in await connection.execute(_SIZES)}
    after = Counter(before)
    for olds, news, _ in groups:
        after.subtract(changes.olds[old] for old in olds)
        after.update(len(changes.parts[new]) for new in news)
    largest = [
        await _told(connection, people, current, changes, group) for group in groups[:LARGEST]
    ]
    return {
        "identifiers_moved": len(changes.moved),
        "profiles_merged": sum(len(olds) - 1 for olds, news, _ in groups if len(news) == 1),
        "profiles_split": sum(len(news) - 1 for olds, news, _ in groups if len(olds) == 1),
        "profiles": {"before": sum(before.values()), "after": sum(after.values())},
        "sizes": {"before": _buckets(before), "after": _buckets(after)},
        "largest": largest,
        "segments": await _segments(connection, people, changes),
    }


def seal(box: Box, trial: uuid.UUID, found: Mapping[str, Any]) -> bytes:
    """An outcome as it is stored: it names people."""
    return box.pack(msgspec.json.encode(found), b"trial" + trial.bytes)


def unseal(box: Box, trial: uuid.UUID, sealed: bytes) -> dict[str, Any]:
    """A stored outcome."""
    found: dict[str, Any] = msgspec.json.decode(box.unpack(sealed, b"trial" + trial.bytes))
    return found


def _buckets(sizes: Mapping[int, int]) -> dict[str, int]:
    """How many profiles have so many identifiers: 1, 2, up to 5, up to 20, up to 100, more."""
    found: dict[str, int] = {}
    for low, bound in zip((0, *_BOUNDS), _BOUNDS, strict=False):
        name = str(bound) if bound - low == 1 else f"{low + 1}-{bound}"
        found[name] = sum(count for size, count in sizes.items() if low < size <= bound)
    found[f"over {_BOUNDS[-1]}"] = sum(n for size, n in sizes.items() if size > _BOUNDS[-1])
    return found


async def _told(
    connection: Connection,
    people: People,
    current: Rules,
    changes: Changes,
    group: tuple[set[ProfileId], set[ProfileId], list[NodeId]],
) -> dict[str, Any]:
    olds, news, movers = group
    homes = {each.component for each in (await store.nodes(connection, movers[:1000])).values()}
    now = await closed(connection, current, homes)
    then = await closed(connection, changes.rules, homes, changes.marks, on_trial=True)
    ids = [each.node.id for each in then.members]
    names = await people.names(connection, ids)

    def name(node: NodeId) -> str:
        known = names.get(node)
        return f"{known.namespace}:{known.value}" if known else "…"

    side, other, ruled = now, then, current
    if len(news) > len(olds):
        side, other, ruled = then, now, changes.rules
    reasons = Counter(
        explain.reason(each, ruled, name)
        for each in side.resolution.refused
        if _together(other, *each.edge[:2])
    )
    return {
        "kind": "merge" if len(news) == 1 else "split" if len(olds) == 1 else "regroup",
        "identifiers": len(movers),
        "now": [str(uuid.UUID(bytes=each)) for each in sorted(olds)][:NAMED],
        "then": [str(uuid.UUID(bytes=each)) for each in sorted(news)][:NAMED],
        "who": [name(node) for node in movers if node in names][:NAMED],
        "because": [reason for reason, _ in reasons.most_common(3)],
    }


def _together(part: Closed, a: NodeId, b: NodeId) -> bool:
    profiles = part.resolution.profiles
    return a in profiles and profiles.get(a) == profiles.get(b)


async def _segments(
    connection: Connection, people: People, changes: Changes
) -> list[dict[str, Any]] | None:
    """Segments whose size would change; None if too many would be other people to look at all."""
    touched = {then for _, then in changes.moved.values()} | {n for n, _ in changes.moved.values()}
    then = {p: nodes for p, nodes in changes.parts.items() if p in touched}
    if len(then) > EVALUATED:
        return None
    stands = await people.stands(connection, then, times.now())
    persons = [
        Person(profile, nodes, granted(stands[profile]), None, "")
        for profile, nodes in then.items()
    ]
    signals = await consent_stage.signals(connection)
    inside = await people.profiles.inside(connection, persons, signals, times.now())
    after = Counter(segment for each in inside.values() for segment in each)
    known = await profile_store.memberships(connection, list(changes.olds))
    before = Counter(each.segment for each in known)
    return [
        {"key": each.key, "before": each.size, "after": each.size + gained}
        for each in await segments.listed(connection)
        if (gained := after[each.id] - before[each.id])
    ]
