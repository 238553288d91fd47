"""Identity resolution as a pure function: `resolve(nodes, edges, rules)` says who is one person.

The answer depends on the set of nodes and edges alone, not on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import networkx as nx

from cdp.events import Instant, ProfileId
from identity.graph import Edge, Node, NodeId
from identity.identifiers import ANONYMOUS_ID, EMAIL, PHONE, USER_ID, Kind


class Refusal(NamedTuple):
    """An edge that would have broken a limit."""

    edge: Edge
    namespace: str


@dataclass(frozen=True, slots=True)
class Rules:
    """How many identifiers of a namespace one person may have, and which one names a profile."""

    limits: Mapping[str, int] = field(default_factory=lambda: {USER_ID: 1, EMAIL: 5, PHONE: 5})
    default_limit: int = 100
    priority: tuple[str, ...] = (USER_ID, ANONYMOUS_ID)

    def limit(self, namespace: str) -> int:
        """The limit of a namespace."""
        return self.limits.get(namespace, self.default_limit)

    def rank(self, node: Node) -> tuple[Instant, int, NodeId]:
        """Orders nodes by who names the profile: earliest, then strongest, then smallest id."""
        try:
            strength = self.priority.index(node.namespace)
        except ValueError:
            strength = len(self.priority)
        return node.first_seen, strength, node.id


class Resolution(NamedTuple):
    """Which profile each node belongs to, and the edges that were not taken."""

    profiles: dict[NodeId, ProfileId]
    refused: list[Refusal]


def resolve(nodes: Iterable[Node], edges: Iterable[Edge], rules: Rules) -> Resolution:
    """Everything at once, from the raw graph: the definition that increments must equal."""
    by_id = {node.id: node for node in nodes}
    graph: nx.Graph[NodeId] = nx.Graph()
    graph.add_nodes_from(by_id)
    kept = list(edges)
    graph.add_edges_from((each.a, each.b) for each in kept)
    component_of: dict[NodeId, int] = {}
    members: list[list[Node]] = []
    for number, component in enumerate(nx.connected_components(graph)):
        members.append([by_id[node] for node in component])
        component_of |= dict.fromkeys(component, number)
    inside: list[list[Edge]] = [[] for _ in members]
    for each in kept:
        inside[component_of[each.a]].append(each)
    whole = Resolution({}, [])
    for component_nodes, component_edges in zip(members, inside, strict=True):
        part = resolve_component(component_nodes, component_edges, rules)
        whole.profiles.update(part.profiles)
        whole.refused.extend(part.refused)
    return whole


def resolve_component(nodes: list[Node], edges: list[Edge], rules: Rules) -> Resolution:
    """One raw component: one profile if it satisfies every limit, else edge by edge."""
    if fits(nodes, edges, rules):
        return Resolution(dict.fromkeys((n.id for n in nodes), profile_id(nodes, rules)), [])
    return _edge_by_edge(nodes, edges, rules)


def profile_id(nodes: Iterable[Node], rules: Rules) -> ProfileId:
    """A profile is named after its earliest-seen identifier."""
    return min(nodes, key=rules.rank).id


def fits(nodes: Iterable[Node], edges: Iterable[Edge], rules: Rules) -> bool:
    """Whether all of these may be one person."""
    same = _same_identity(nodes, edges)
    seen: dict[str, set[NodeId]] = {}
    for node in nodes:
        seen.setdefault(node.namespace, set()).add(same[node.id])
    return all(len(ids) <= rules.limit(namespace) for namespace, ids in seen.items())


def _same_identity(nodes: Iterable[Node], edges: Iterable[Edge]) -> Mapping[NodeId, NodeId]:
    """Identifiers of one namespace that an alias or merge call joined count as one.

    The limits stand against accidents; an alias is said on purpose.
    """
    namespaces = {node.id: node.namespace for node in nodes}
    union = nx.utils.UnionFind(namespaces)
    for each in edges:
        if each.kind == Kind.ALIAS and namespaces[each.a] == namespaces[each.b]:
            union.union(each.a, each.b)
    return {node: union[node] for node in namespaces}


def _edge_by_edge(nodes: list[Node], edges: list[Edge], rules: Rules) -> Resolution:
    """Take edges in order of strength, then time, then id; refuse one that would break a limit."""
    same = _same_identity(nodes, edges)
    by_id = {node.id: node for node in nodes}
    group = {node.id: node.id for node in nodes}
    members = {node.id: [node.id] for node in nodes}
    holds = {node.id: {node.namespace: {same[node.id]}} for node in nodes}
    refused: list[Refusal] = []
    for each in sorted(edges, key=lambda e: (e.kind, e.first_seen, e.a, e.b)):
        a, b = group[each.a], group[each.b]
        if a == b:
            continue
        if len(members[a]) < len(members[b]):
            a, b = b, a
        broken = _broken_limit(holds[a], holds[b], rules)
        if broken:
            refused.append(Refusal(each, broken))
            continue
        for node in members[b]:
            group[node] = a
        members[a] += members.pop(b)
        for namespace, ids in holds.pop(b).items():
            holds[a].setdefault(namespace, set()).update(ids)
    profiles: dict[NodeId, ProfileId] = {}
    for together in members.values():
        profiles |= dict.fromkeys(together, profile_id((by_id[i] for i in together), rules))
    return Resolution(profiles, refused)


def _broken_limit(
    a: Mapping[str, set[NodeId]], b: Mapping[str, set[NodeId]], rules: Rules
) -> str | None:
    for namespace in sorted(b):
        if len(b[namespace] | a.get(namespace, set())) > rules.limit(namespace):
            return namespace
    return None
