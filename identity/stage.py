"""Keeps the graph up with the events, component by component, and says whose profile moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import networkx as nx

from cdp.db import Connection
from cdp.events import Event, Identifier, ProfileId, SubjectId
from identity import store
from identity.graph import Edge, Node, NodeId, earliest, edge
from identity.identifiers import Named
from identity.model import Rules, profile_id, resolve_component
from identity.store import Elder, Placed, Union


class Statement(NamedTuple):
    """An event and the identifiers and links read off it."""

    event: Event
    named: Named


class Resolved(NamedTuple):
    """Where the chunk's subjects belong now, and every profile that gained or lost nodes."""

    profiles: dict[SubjectId, ProfileId]
    moved: set[ProfileId]


class News(NamedTuple):
    """What a chunk adds to the graph."""

    nodes: list[Node]
    edges: list[Edge]


@dataclass(frozen=True, slots=True)
class Identity:
    """The first step of the first agent."""

    hashed: Callable[[str, str], NodeId]  # (namespace, value) → its keyed hash
    rules: Rules

    async def resolve(self, connection: Connection, said: Sequence[Statement]) -> Resolved:
        """Add what these events say about who is who, in the caller's transaction."""
        nodes, edges = self._facts(said)
        if not nodes:
            return Resolved({}, set())
        known = await store.nodes(connection, nodes)
        news = await _news(connection, known, nodes, edges)
        moved: set[ProfileId] = set()
        if news.nodes or news.edges:
            await store.lock(connection)  # and look again: the graph may have grown meanwhile
            known = await store.nodes(connection, nodes)
            news = await _news(connection, known, nodes, edges)
            moved = await self._apply(connection, known, news)
            known = await store.nodes(connection, nodes)
        return Resolved({node: placed.profile for node, placed in known.items()}, moved)

    def _facts(self, said: Iterable[Statement]) -> tuple[dict[NodeId, Node], list[Edge]]:
        nodes: dict[NodeId, Node] = {}
        edges: list[Edge] = []
        hashes: dict[Identifier, NodeId] = {}

        def note(identifier: Identifier, event: Event) -> NodeId:
            node = hashes.get(identifier)
            if node is None:
                node = hashes[identifier] = self.hashed(*identifier)
            seen = nodes.get(node)
            if seen is None or event.at < seen.first_seen:
                nodes[node] = Node(node, identifier.namespace, event.at)
            return node

        for event, named in said:
            for identifier in named.identifiers:
                note(identifier, event)
            for link in named.links:
                a, b = note(link.a, event), note(link.b, event)
                edges.append(edge(a, b, link.kind, event.at, event.id))
        return nodes, list(earliest(edges).values())

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


def _joined(known: Mapping[NodeId, Placed], news: News) -> nx.Graph[bytes]:
    """The raw components that the news touch, linked as the news link them."""
    home = {node: placed.component for node, placed in known.items()}
    graph: nx.Graph[bytes] = nx.Graph()
    graph.add_nodes_from(home.get(node.id, node.id) for node in news.nodes)
    for each in news.edges:
        graph.add_edge(home.get(each.a, each.a), home.get(each.b, each.b))
    return graph


async def _news(
    connection: Connection,
    known: Mapping[NodeId, Placed],
    nodes: Mapping[NodeId, Node],
    edges: Sequence[Edge],
) -> News:
    """What of it the graph does not know yet, or knows only later evidence for."""
    new_nodes = [
        node
        for node in nodes.values()
        if node.id not in known or node.first_seen < known[node.id].node.first_seen
    ]
    if not edges:
        return News(new_nodes, [])
    stored = {each[:3]: each for each in await store.edges(connection, edges)}
    new_edges = [e for e in edges if e[:3] not in stored or e[3:] < stored[e[:3]][3:]]
    return News(new_nodes, new_edges)
