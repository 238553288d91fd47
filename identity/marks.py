"""What rules mark in a graph before it is resolved: what links nobody, which spellings are one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cdp.events import Identifier, Instant
from identity.graph import Edge, Node, NodeId, edge
from identity.identifiers import Kind
from identity.model import Facts
from identity.rules import Rules
from identity.spelling import MARK


@dataclass(slots=True)
class Marks:
    """Read off identifiers; a trial lays them over the stored graph instead of writing them."""

    rules: Rules
    hashed: Callable[[str, str], NodeId]
    blocked: set[NodeId] = field(default_factory=set)
    free: set[NodeId] = field(default_factory=set)
    spelled: dict[NodeId, Edge] = field(default_factory=dict)  # from an identifier to what it is
    plain: dict[NodeId, Node] = field(default_factory=dict)  # what spellings come down to
    alike: dict[NodeId, set[NodeId]] = field(default_factory=dict)  # the identifiers of each

    def add(self, carried: Mapping[Identifier, Instant]) -> None:
        """Mark these identifiers, each with the first time it was seen."""
        for each, at in carried.items():
            node = self.hashed(*each)
            (self.blocked if self.rules.blocks(each) else self.free).add(node)
            spelled = self.rules.spelled(each)
            if spelled is None:
                continue
            plain = self.hashed(*spelled)
            known = self.plain.get(plain)
            first = min(at, known.first_seen) if known else at
            self.plain[plain] = Node(plain, spelled.namespace, first)
            said = self.spelled.get(node)
            seen = min(at, said.first_seen) if said else at
            self.spelled[node] = edge(node, plain, Kind.SPELLED, seen, b"")
            self.alike.setdefault(plain, set()).add(node)

    def spelled_nodes(self) -> list[Node]:
        """To be stored, in one order."""
        return sorted(self.plain.values())

    def spelled_edges(self) -> list[Edge]:
        """To be stored."""
        return list(self.spelled.values())

    def alike_to(self, ids: set[NodeId]) -> set[NodeId]:
        """Identifiers that are another spelling of one of these."""
        found: set[NodeId] = set()
        for each in ids & self.spelled.keys():
            a, b, *_ = self.spelled[each]
            found |= self.alike[b if a == each else a]
        return found - ids

    def over(self, facts: Facts) -> Facts:
        """The facts as they would be: with these marks, without those of the rules in force."""
        nodes = [each for each in facts.nodes if not each.namespace.startswith(MARK)]
        ids = {each.id for each in nodes}
        edges = [each for each in facts.edges if each.kind != Kind.SPELLED]
        spelled = [self.spelled[each] for each in ids & self.spelled.keys()]
        plain = {end for each in spelled for end in each[:2]} - ids
        nodes += [self.plain[each] for each in plain]
        return facts._replace(nodes=nodes, edges=edges + spelled, blocked=self.blocked)
