"""Keeps the graph up with the events, component by component, and says whose profile moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import networkx as nx

from cdp.db import Connection
from cdp.events import Identifier, Instant, ProfileId, SubjectId
from identity import store
from identity.graph import Edge, Node, NodeId, earliest, edge
from identity.identifiers import Named
from identity.memory import Evidence, Memory, News, Said
from identity.model import Rules, profile_id, resolve_component
from identity.store import Elder, Placed, Union


class Resolved(NamedTuple):
    """Where the chunk's subjects belong now, and every profile that gained or lost nodes."""

    profiles: dict[SubjectId, ProfileId]
    moved: set[ProfileId]


@dataclass(frozen=True, slots=True)
class Identity:
    """The first step of the first agent."""

    hashed: Callable[[str, str], NodeId]  # (namespace, value) → its keyed hash
    rules: Rules
    memory: Memory = field(default_factory=Memory)

    def listen(self) -> Said:
        """Where a chunk's events are to be told to."""
        return Said(self.memory)

    async def resolve(
        self, connection: Connection, said: Said, subjects: Collection[SubjectId]
    ) -> Resolved:
        """Add what was said about who is who, in the caller's transaction."""
        facts = {named: self._facts(named, *evidence) for named, evidence in said.told.items()}
        news = self.memory.news(*_joint(facts.values()))
        moved: set[ProfileId] = set()
        if any(news):
            _, news = await self._look(connection, news)
            self._settle(facts, said.told)
        if any(news):
            await store.lock(connection)  # and look again: the graph may have grown meanwhile
            known, news = await self._look(connection, news)
            moved = await self._apply(connection, known, news)
        return Resolved(await store.profiles(connection, subjects), moved)

    def _facts(self, named: Named, at: Instant, event: bytes) -> News:
        nodes = {each: self._node(each, at) for each in named.identifiers}
        edges: list[Edge] = []
        for one, other, kind in named.links:
            for each in (one, other):
                if each not in nodes:
                    nodes[each] = self._node(each, at)
            edges.append(edge(nodes[one].id, nodes[other].id, kind, at, event))
        return News(list(nodes.values()), edges)

    def _node(self, identifier: Identifier, at: Instant) -> Node:
        return Node(self.hashed(*identifier), identifier.namespace, at)

    def _settle(self, facts: Mapping[Named, News], told: Mapping[Named, Evidence]) -> None:
        known = (named for named, each in facts.items() if not any(self.memory.news(*each)))
        self.memory.settle({named: told[named][0] for named in known})

    async def _look(self, connection: Connection, news: News) -> tuple[dict[NodeId, Placed], News]:
        """The nodes that the news are about, as far as they exist, and what of it is news still."""
        ids = {node.id for node in news.nodes}
        ids.update(end for each in news.edges for end in (each.a, each.b))
        known = await store.nodes(connection, ids)
        stored = await store.edges(connection, news.edges) if news.edges else []
        self.memory.note((placed.node for placed in known.values()), stored)
        return known, self.memory.news(*news)

    async def _apply(
        self, connection: Connection, known: Mapping[NodeId, Placed], news: News
    ) -> set[ProfileId]:
        """Write the facts, then settle every group of raw components that they join or change."""
        if news.nodes:
            await store.put_nodes(connection, sorted(news.nodes))
        if news.edges:
            await store.put_edges(connection, sorted(news.edges))
        fresh = {node.id for node in news.nodes} - known.keys()
        graph = _joined(known, news)
        graph.remove_nodes_from([c for c in fresh if c in graph and not graph.degree(c)])
        elders: dict[bytes, list[Elder]] = {component: [] for component in graph}
        for elder in await store.elders(connection, graph.nodes):
            elders[elder.placed.component].append(elder)
        moved: set[ProfileId] = set()
        unions: list[Union] = []
        for group in nx.connected_components(graph):
            inside = [elder for component in sorted(group) for elder in elders[component]]
            if self._may_be_one(inside):
                united = self._united(inside)
                if united:
                    unions += united
                    moved |= {elder.placed.profile for elder in inside} - fresh
                    moved |= {union.profile for union in united}
            else:
                moved |= await self._anew(connection, group, fresh)
        if unions:
            await store.unite(connection, unions)
        return moved

    def _may_be_one(self, elders: Iterable[Elder]) -> bool:
        total: Counter[str] = Counter()
        for elder in elders:
            total[elder.placed.node.namespace] += elder.size
        return all(count <= self.rules.limit(namespace) for namespace, count in total.items())

    def _united(self, elders: Sequence[Elder]) -> list[Union]:
        """The moves that make these raw components one profile; none if nothing changes."""
        sizes: Counter[bytes] = Counter()
        for elder in elders:
            sizes[elder.placed.component] += elder.size
        into = max(sizes, key=lambda component: (sizes[component], component))
        profile = profile_id((elder.placed.node for elder in elders), self.rules)
        moves = {
            Union(elder.placed.component, into, profile)
            for elder in elders
            if (elder.placed.component, elder.placed.profile) != (into, profile)
        }
        return sorted(moves)

    async def _anew(
        self, connection: Connection, components: Collection[bytes], fresh: set[NodeId]
    ) -> set[ProfileId]:
        """Resolve a raw component from its edges; returns the profiles that this changes."""
        placed = await store.members(connection, components)
        inner = await store.inner_edges(connection, components)
        resolution = resolve_component([each.node for each in placed], inner, self.rules)
        into = min(components)
        before = {each.node.id: (each.component, each.profile) for each in placed}
        after = {node: (into, profile) for node, profile in resolution.profiles.items()}
        if before == after:
            return set()
        await store.assign(connection, into, resolution.profiles)
        return {
            profile
            for node in after
            for _, profile in (before[node], after[node])
            if before[node] != after[node] and (profile not in fresh or profile == after[node][1])
        }


def _joint(facts: Iterable[News]) -> News:
    """All of it, each node and edge once, with its earliest evidence."""
    nodes: dict[NodeId, Node] = {}
    edges: list[Edge] = []
    for each in facts:
        edges += each.edges
        for node in each.nodes:
            if node.id not in nodes or node.first_seen < nodes[node.id].first_seen:
                nodes[node.id] = node
    return News(list(nodes.values()), list(earliest(edges).values()))


def _joined(known: Mapping[NodeId, Placed], news: News) -> nx.Graph[bytes]:
    """The raw components that the news touch, linked as the news link them."""
    home = {node: placed.component for node, placed in known.items()}
    graph: nx.Graph[bytes] = nx.Graph()
    graph.add_nodes_from(home.get(node.id, node.id) for node in news.nodes)
    for each in news.edges:
        graph.add_edge(home.get(each.a, each.a), home.get(each.b, each.b))
    return graph
