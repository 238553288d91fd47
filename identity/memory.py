"""What the graph is known to hold, so that events which say nothing new need not ask it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from cdp.bounded import make_room
from cdp.events import Event, Instant
from identity.graph import Edge, Inference, Node
from identity.identifiers import Named, Ruling, ruling
from identity.matching.facts import inference

SIZE = 200_000  # nodes and edges; about 200 bytes each
SETTLED = 50_000  # combinations of identifiers; about 700 bytes each

Evidence: TypeAlias = tuple[Instant, bytes]


class News(NamedTuple):
    """What is not known of the graph, or known only with later evidence."""

    nodes: list[Node]
    edges: list[Edge]


class Memory:
    """Nodes and edges that were read from the graph, and what events named all of whose are known.

    Nothing leaves the graph but with an erasure, after which this is emptied; what is in it only
    ever gets earlier evidence. So what is remembered stays true, and at worst an event is taken for
    news and the graph is asked. Only what was read may be noted, never what a transaction is about
    to write: it may roll back.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._known: dict[bytes, Evidence] = {}
        self._settled: dict[Named, Instant] = {}

    def clear(self) -> None:
        """Forget all of it: other rules say other things, and who was erased is not there."""
        self._known.clear()
        self._settled.clear()

    def is_settled(self, named: Named, at: Instant) -> bool:
        """Whether an event at that instant which names these says nothing that is not known."""
        since = self._settled.get(named)
        return since is not None and at > since

    def settle(self, said: Mapping[Named, Instant]) -> None:
        """Remember that of these everything is known with evidence no later than that."""
        for named, at in said.items():
            self._settled[named] = min(at, self._settled.get(named, at))
        make_room(self._settled, min(self._size, SETTLED))

    def news(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> News:
        """What of this must be looked up, or written."""
        known = self._known
        new_nodes = [
            node
            for node in nodes
            if (seen := known.get(node.id)) is None or node.first_seen < seen[0]
        ]
        new_edges = [
            each for each in edges if (seen := known.get(_key(each))) is None or each[3:] < seen
        ]
        return News(new_nodes, new_edges)

    def note(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        """Remember what was read; the oldest entries make room."""
        for node in nodes:
            self._known[node.id] = (node.first_seen, b"")
        for each in edges:
            self._known[_key(each)] = (each.first_seen, each.event)
        make_room(self._known, self._size)


class Said:
    """What a chunk of events says about who is who, as far as it may be new."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.told: dict[Named, Evidence] = {}  # what is named, with the first event to name it
        self.ruled: list[Ruling] = []  # what operators said
        self.inferred: list[Inference] = []  # what matching said

    def hear(self, named: Named, event: Event) -> None:
        """An event names these."""
        at = event.received_at if event.corrects else event.at  # it was not known before
        if not self._memory.is_settled(named, at):
            evidence = (at, event.id)
            self.told[named] = min(evidence, self.told.get(named, evidence))

    def tell(self, event: Event) -> None:
        """An operator, or matching, says something of two identifiers."""
        ruled, inferred = ruling(event), inference(event)
        if ruled is not None:
            self.ruled.append(ruled)
        if inferred is not None:
            self.inferred.append(inferred)


def _key(edge: Edge) -> bytes:
    return edge.a + edge.b + bytes((edge.kind,))
