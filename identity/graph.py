"""The graph's values: identifiers as nodes, what an event says of two of them as an edge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias, TypeVar

from cdp.events import Instant
from identity.identifiers import Kind

NodeId: TypeAlias = bytes  # the keyed hash of an identifier


class Node(NamedTuple):
    """An identifier as the graph knows it: a hash, its namespace, when it was first seen."""

    id: NodeId
    namespace: str
    first_seen: Instant


class Edge(NamedTuple):
    """A fact: two identifiers belong together, says this event. `a < b`."""

    a: NodeId
    b: NodeId
    kind: int
    first_seen: Instant
    event: bytes


class Verdict(NamedTuple):
    """What an operator said last of two identifiers: that they are one, or not. `a < b`."""

    a: NodeId
    b: NodeId
    together: bool
    at: Instant
    event: bytes

    @property
    def weight(self) -> tuple[Instant, bool, bytes]:
        """Of two on the same pair the greater counts: the later, and in a tie the one against."""
        return self.at, not self.together, self.event


class Inference(NamedTuple):
    """How probably two identifiers are of one person, as matching said last. `a < b`."""

    a: NodeId
    b: NodeId
    probability: float
    at: Instant
    event: bytes

    @property
    def weight(self) -> tuple[Instant, float, bytes]:
        """Of two on the same pair the greater counts: the later, in a tie the less probable."""
        return self.at, -self.probability, self.event


Said = TypeVar("Said", "Verdict", "Inference")


def edge(a: NodeId, b: NodeId, kind: Kind, seen: Instant, event: bytes) -> Edge:
    """An edge in its one direction."""
    return Edge(a, b, int(kind), seen, event) if a < b else Edge(b, a, int(kind), seen, event)


def verdict(a: NodeId, b: NodeId, *, together: bool, at: Instant, event: bytes) -> Verdict:
    """A verdict in its one direction."""
    return Verdict(min(a, b), max(a, b), together, at, event)


def latest(said: Iterable[Said]) -> dict[tuple[NodeId, NodeId], Said]:
    """The one that counts of each pair."""
    last: dict[tuple[NodeId, NodeId], Said] = {}
    for each in said:
        key = (each.a, each.b)
        if key not in last or each.weight > last[key].weight:
            last[key] = each
    return last


def earliest(edges: Iterable[Edge]) -> dict[tuple[NodeId, NodeId, int], Edge]:
    """One edge per pair and kind: the evidence that came first."""
    first: dict[tuple[NodeId, NodeId, int], Edge] = {}
    for each in edges:
        key = each[:3]
        if key not in first or each[3:] < first[key][3:]:
            first[key] = each
    return first


def roots(nodes: Iterable[NodeId], edges: Iterable[Edge]) -> dict[NodeId, NodeId]:
    """Each node's representative: union-find with path halving, a tenth of the time of a library's.

    Over a million links that is what resolution is made of; and the API need not load the library.
    """
    parent = {node: node for node in nodes}
    for each in edges:
        a, b = each.a, each.b
        while parent[a] != a:
            parent[a] = a = parent[parent[a]]
        while parent[b] != b:
            parent[b] = b = parent[parent[b]]
        if a != b:
            parent[b] = a
    for node in parent:
        top = node
        while parent[top] != top:
            parent[top] = top = parent[parent[top]]
        parent[node] = top
    return parent
