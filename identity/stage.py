"""Keeps the graph up with the events, component by component, and says whose profile moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import networkx as nx

from cdp.db import Connection
from cdp.events import Identifier, Instant, ProfileId, SubjectId
from identity import inferences, store, verdicts
from identity.graph import (
    Edge,
    Inference,
    Node,
    NodeId,
    Verdict,
    earliest,
    edge,
    latest,
    verdict,
)
from identity.identifiers import Kind, Named, Ruling
from identity.memory import Evidence, Memory, News, Said
from identity.rulebook import RuleBook
from identity.settling import Settling
from identity.store import BARS, Elder, Placed


class Resolved(NamedTuple):
    """Where the chunk's subjects belong now, and every profile that gained or lost nodes.

    `split` are pairs: a former profile, and one that left it.
    """

    profiles: dict[SubjectId, ProfileId]
    moved: set[ProfileId]
    split: list[tuple[ProfileId, ProfileId]]


class Spoken(NamedTuple):
    """The latest words of operators and of matching, each on a pair of identifiers."""

    ruled: Sequence[Verdict]
    inferred: Sequence[Inference]

    def pairs(self) -> list[tuple[NodeId, NodeId, bytes]]:
        """Whom they are about, and the event."""
        ruled = [(each.a, each.b, each.event) for each in self.ruled]
        return ruled + [(each.a, each.b, each.event) for each in self.inferred]


class Known(NamedTuple):
    """Beside news: nodes that exist, those that a rule blocks, what was said by others."""

    nodes: Mapping[NodeId, Placed]
    blocked: Collection[NodeId]
    said: Spoken

    def barred(self) -> set[NodeId]:
        """Those that link nobody."""
        new = {node for node in self.blocked if node not in self.nodes}
        return new | {node for node, placed in self.nodes.items() if placed.flags & BARS}


@dataclass(frozen=True, slots=True)
class Identity:
    """The first step of the first agent."""

    hashed: Callable[[str, str], NodeId]  # (namespace, value) → its keyed hash
    book: RuleBook
    memory: Memory = field(default_factory=Memory)
    keeps_history: bool = True

    def listen(self) -> Said:
        """Where a chunk's events are to be told to."""
        return Said(self.memory)

    async def resolve(
        self, connection: Connection, said: Said, subjects: Collection[SubjectId], now: Instant
    ) -> Resolved:
        """Add what was said about who is who, in the caller's transaction."""
        facts = self._all_facts(said)
        spoken = Spoken(
            list(latest(map(self._verdict, said.ruled)).values()),
            list(latest(said.inferred).values()),
        )
        news = self.memory.news(*_joint(facts.values()))
        settling = Settling(connection, self.book.rules, ())
        if any(news):
            _, news = await self._look(connection, news, Spoken((), ()))
            self._settle(facts, said.told)
        if any(news) or any(spoken):
            await store.lock(connection)  # and look again: the graph may have grown meanwhile
            if await self.book.has_changed(connection):
                self.memory.clear()
                news = _joint(self._all_facts(said).values())
            known, news = await self._look(connection, news, spoken)
            blocked = self._blocked(said)
            settling = await self._apply(connection, news, Known(known, blocked, spoken), now)
        profiles = await store.profiles(connection, subjects)
        return Resolved(profiles, settling.moved, settling.split)

    def _all_facts(self, said: Said) -> dict[Named, News]:
        found = {named: self._facts(named, *evidence) for named, evidence in said.told.items()}
        if self.book.rules.reads_spellings:
            for named, (at, _) in said.told.items():
                self._add_spellings(found[named], named, at)
        return found

    def _add_spellings(self, news: News, named: Named, at: Instant) -> None:
        """What the identifiers' spellings come down to, with evidence that is of no one event."""
        ends = {end for link in named.links for end in link[:2]}
        for each in {*named.identifiers, *ends}:
            spelled = self.book.rules.spelled(each)
            if spelled is not None:
                node, plain = self._node(each, at), self._node(spelled, at)
                news.nodes.append(plain)
                news.edges.append(edge(node.id, plain.id, Kind.SPELLED, at, b""))

    def _facts(self, named: Named, at: Instant, event: bytes) -> News:
        nodes = {each: self._node(each, at) for each in named.identifiers}
        edges: list[Edge] = []
        for one, other, kind in named.links:
            for each in (one, other):
                if each not in nodes:
                    nodes[each] = self._node(each, at)
            edges.append(edge(nodes[one].id, nodes[other].id, kind, at, event))
        return News(list(nodes.values()), edges)

    def _blocked(self, said: Said) -> set[NodeId]:
        named = {each for about in said.told for each in about.identifiers}
        named |= {end for about in said.told for link in about.links for end in link[:2]}
        return {self.hashed(*each) for each in named if self.book.rules.blocks(each)}

    def _node(self, identifier: Identifier, at: Instant) -> Node:
        return Node(self.hashed(*identifier), identifier.namespace, at)

    def _verdict(self, ruling: Ruling) -> Verdict:
        a, b = self.hashed(*ruling.a), self.hashed(*ruling.b)
        return verdict(a, b, together=ruling.together, at=ruling.at, event=ruling.event)

    def _settle(self, facts: Mapping[Named, News], told: Mapping[Named, Evidence]) -> None:
        known = (named for named, each in facts.items() if not any(self.memory.news(*each)))
        self.memory.settle({named: told[named][0] for named in known})

    async def _look(
        self, connection: Connection, news: News, spoken: Spoken
    ) -> tuple[dict[NodeId, Placed], News]:
        """The nodes that the news are about, as far as they exist, and what of it is news still."""
        ids = {node.id for node in news.nodes}
        ids.update(end for each in news.edges for end in each[:2])
        ids.update(end for a, b, _ in spoken.pairs() for end in (a, b))
        known = await store.nodes(connection, ids)
        stored = await store.edges(connection, news.edges) if news.edges else []
        self.memory.note((placed.node for placed in known.values()), stored)
        return known, self.memory.news(news.nodes, news.edges)

    async def _apply(
        self, connection: Connection, news: News, known: Known, now: Instant
    ) -> Settling:
        """Write the facts, then settle every group of raw components that they join or change."""
        fresh = {node.id for node in news.nodes} - known.nodes.keys()
        if news.nodes:
            await store.put_nodes(connection, sorted(news.nodes), known.blocked)
        if news.edges:
            await store.put_edges(connection, sorted(news.edges))
        if known.said.ruled:
            await verdicts.put(connection, known.said.ruled)
        if known.said.inferred:
            await inferences.put(connection, known.said.inferred)
        joined = _joined(news, known)
        said = Spoken(
            await verdicts.about(connection, fresh),
            await inferences.about(connection, fresh, self.book.rules.confidence),
        )
        joined.exact.update(end for a, b, _ in said.pairs() for end in (a, b) if end in fresh)
        joined.graph.remove_nodes_from(
            [c for c in fresh - joined.exact if c in joined.graph and not joined.graph.adj[c]]
        )
        settling = Settling(connection, self.book.rules, fresh)
        await self._settle_groups(settling, joined)
        if settling.moves and self.keeps_history:
            await verdicts.record(connection, settling.moves, now)
        return settling

    async def _settle_groups(self, settling: Settling, joined: _Joined) -> None:
        groups = list(nx.connected_components(joined.graph))
        simple = [group for group in groups if joined.exact.isdisjoint(group)]
        elders: dict[bytes, list[Elder]] = {component: [] for g in simple for component in g}
        for elder in await store.elders(settling.connection, elders):
            elders[elder.placed.component].append(elder)
        exact: dict[bytes, bytes] = {}
        plain: list[tuple[list[Elder], bytes]] = []
        for group in groups:
            inside = [each for c in sorted(group) for each in elders.get(c, ())]
            cause = max((joined.causes[c] for c in group if c in joined.causes), default=b"")
            if joined.exact.isdisjoint(group) and settling.is_plain(inside):
                plain.append((inside, cause))
            else:
                exact |= dict.fromkeys(group, cause)
        done = await settling.exactly(exact) if exact else frozenset()
        for inside, cause in plain:  # some may turn out to hang on to what was settled exactly
            if done.isdisjoint(elder.placed.component for elder in inside):
                settling.unite(inside, cause)
        if settling.unions:
            await store.unite(settling.connection, settling.unions)


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


class _Joined(NamedTuple):
    """The raw components that the news touch, linked as the news link them."""

    graph: nx.Graph[bytes]
    exact: set[bytes]  # those that must be looked at exactly
    causes: dict[bytes, bytes]  # an event that says something of them


def _joined(news: News, known: Known) -> _Joined:
    home = {node: placed.component for node, placed in known.nodes.items()}
    barred = known.barred()
    joined = _Joined(nx.Graph(), set(), {})
    joined.graph.add_nodes_from(home.get(node.id, node.id) for node in news.nodes)
    for each in news.edges:
        ends = [home.get(end, end) for end in (each.a, each.b) if end not in barred]
        joined.causes.update(dict.fromkeys(ends, each.event))
        if len(ends) == 2:
            joined.graph.add_edge(*ends)
        else:
            joined.graph.add_nodes_from(ends)
            joined.exact.update(ends)
    fresh = {node.id for node in news.nodes}
    for a, b, event in known.said.pairs():
        ends = [home.get(end, end) for end in (a, b) if end in home or end in fresh]
        joined.causes.update(dict.fromkeys(ends, event))
        joined.graph.add_nodes_from(ends)
        joined.exact.update(ends)
        if len(ends) == 2:
            joined.graph.add_edge(*ends)
    return joined
