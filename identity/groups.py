"""One raw component, link by link: who becomes one where not all of it may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from identity.graph import Edge, Node, NodeId, Verdict, roots
from identity.identifiers import Kind
from identity.rules import Rules, within

_WEAK = frozenset({Kind.TOGETHER, Kind.INFERRED})
_RULE = b"rule"  # stands for the event of what no operator said
_ON_PURPOSE = frozenset({Kind.ALIAS, Kind.LINKED})


class Why(StrEnum):
    """Why a link was not taken; `about` of a refusal says more."""

    LIMIT = "limit"  # one profile would have too many of a namespace
    BLOCKED = "blocked"  # a rule says that this value links nobody
    SHARED = "shared"  # it is linked with too many: strangers share it
    UNLINKED = "unlinked"  # an operator said that these two are not the same
    APART = "apart"  # it would join two whom an operator set apart
    HELD = "held"  # one weak link between two large profiles waits for a review
    CONTRADICTED = "contradicted"  # likeness would join two whom a rule keeps apart


class Refusal(NamedTuple):
    """A link that was not taken."""

    edge: Edge
    why: Why
    about: bytes = b""  # the namespace, the node or the fact that stands against it


class Part(NamedTuple):
    """A raw component."""

    nodes: dict[NodeId, Node]
    edges: list[Edge]
    apart: list[Verdict]  # of two who are both in here


def same_identity(part: Part) -> Mapping[NodeId, NodeId]:
    """Identifiers of one namespace that are said to be the same count as one.

    The limits stand against accidents; an alias, and an operator's word, is said on purpose.
    """
    return roots(part.nodes, [each for each in part.edges if _says_the_same(part, each)])


def _says_the_same(part: Part, edge: Edge) -> bool:
    if edge.kind in _ON_PURPOSE:
        return part.nodes[edge.a].namespace == part.nodes[edge.b].namespace
    return edge.kind == Kind.SPELLED


def fits(part: Part, rules: Rules) -> bool:
    """Whether all of it may be one person."""
    if part.apart:
        return False
    sizes = Counter(node.namespace for node in part.nodes.values())
    if rules.review is not None and len(part.nodes) >= 2 * rules.review and _hangs_by_weak(part):
        return False
    if all(within(size, rules.of(name).limit) for name, size in sizes.items()):
        return True
    same = same_identity(part)
    seen: dict[str, set[NodeId]] = {}
    for node in part.nodes.values():
        seen.setdefault(node.namespace, set()).add(same[node.id])
    return not _over(seen, {}, rules)


def _hangs_by_weak(part: Part) -> bool:
    """Whether any two are linked by nothing better than a weak link."""
    strong = {each[:2] for each in part.edges if each.kind not in _WEAK}
    return any(each[:2] not in strong for each in part.edges if each.kind in _WEAK)


class Groups:
    """Takes the links of a component from the strongest on; of equal ones the older comes first."""

    def __init__(self, part: Part, rules: Rules) -> None:
        self._rules = rules
        self._same = same_identity(part)
        self._nodes = part.nodes
        self._of = {node: node for node in part.nodes}
        self.members: dict[NodeId, list[NodeId]] = {node: [node] for node in part.nodes}
        self._holds = {
            node.id: {node.namespace: {self._same[node.id]}} for node in part.nodes.values()
        }
        self._apart: dict[NodeId, list[Verdict]] = {}
        for verdict in part.apart:
            self._apart.setdefault(verdict.a, []).append(verdict)
            self._apart.setdefault(verdict.b, []).append(verdict)
        self._beside: dict[NodeId, set[NodeId]] = {}
        for each in part.edges:
            if each.kind == Kind.INFERRED:  # likeness confirms no other link
                continue
            self._beside.setdefault(each.a, set()).add(each.b)
            self._beside.setdefault(each.b, set()).add(each.a)

    def take_all(self, edges: Iterable[Edge]) -> Sequence[Refusal]:
        """Those that were refused and whose two ends did not become one in another way."""
        every = list(dict.fromkeys(edges))
        certain = [each for each in every if each.kind != Kind.INFERRED]
        certain.sort(key=lambda e: (self._rules.weight(e.kind), e[3], e))
        refused = list(filter(None, map(self._take, certain)))
        likely = [each for each in every if each.kind == Kind.INFERRED]
        if likely:
            self._keep_apart(refused)
            refused += filter(None, map(self._take, likely))
        return [r for r in refused if self._of[r.edge.a] != self._of[r.edge.b]]

    def _keep_apart(self, refused: Iterable[Refusal]) -> None:
        """What a rule refused of what was said, likeness does not join either."""
        for edge, *_ in refused:
            if self._of[edge.a] != self._of[edge.b]:
                against = Verdict(edge.a, edge.b, together=False, at=edge.first_seen, event=_RULE)
                self._apart.setdefault(edge.a, []).append(against)
                self._apart.setdefault(edge.b, []).append(against)

    def _take(self, edge: Edge) -> Refusal | None:
        a, b = self._of[edge.a], self._of[edge.b]
        if a == b:
            return None
        if len(self.members[a]) < len(self.members[b]):
            a, b = b, a
        verdict = self._set_apart(a, b)
        if verdict:
            why = Why.CONTRADICTED if verdict.event == _RULE else Why.APART
            return Refusal(edge, why, verdict.event)
        broken = _over(self._holds[b], self._holds[a], self._rules)
        if broken:
            return Refusal(edge, Why.LIMIT, broken.encode())
        if edge.kind in _WEAK and self._needs_review(a, b):
            return Refusal(edge, Why.HELD)
        for node in self.members[b]:
            self._of[node] = a
        self.members[a] += self.members.pop(b)
        for namespace, ids in self._holds.pop(b).items():
            self._holds[a].setdefault(namespace, set()).update(ids)
        return None

    def _set_apart(self, a: NodeId, b: NodeId) -> Verdict | None:
        """What an operator said of two, one in each of these groups."""
        if not self._apart:
            return None
        against = [
            verdict
            for node in self.members[b]
            for verdict in self._apart.get(node, ())
            if {self._of[verdict.a], self._of[verdict.b]} == {a, b}
        ]
        return min(against, default=None)

    def _needs_review(self, a: NodeId, b: NodeId) -> bool:
        """Whether both are large, and nothing but one link joins them."""
        size = self._rules.review
        if size is None or len(self.members[b]) < size:
            return False
        between = 0
        for node in self.members[b]:
            between += sum(self._of[other] == a for other in self._beside.get(node, ()))
            if between > 1:
                return False
        return True


def _over(a: Mapping[str, set[NodeId]], b: Mapping[str, set[NodeId]], rules: Rules) -> str:
    """The first namespace of `a` of which the two have too many together; empty if none."""
    for namespace in sorted(a):
        limit = rules.of(namespace).limit
        if limit is not None and len(a[namespace] | b.get(namespace, set())) > limit:
            return namespace
    return ""
