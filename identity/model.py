"""Identity resolution as a pure function: `resolve(facts, rules)` says who is one person.

The answer depends on the set of facts alone, not on the order in which they came. A part of the
graph whose links lead nowhere else can be resolved by itself, with the same answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cdp.events import ProfileId
from identity.graph import Edge, Inference, Node, NodeId, Verdict, roots
from identity.groups import Groups, Part, Refusal, Why, fits
from identity.identifiers import Kind
from identity.rules import Rules


class Facts(NamedTuple):
    """What is known. `blocked` and `shared` are nodes that are known to link nobody."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    verdicts: Sequence[Verdict] = ()
    blocked: Collection[NodeId] = frozenset()
    shared: Collection[NodeId] = frozenset()
    inferred: Sequence[Inference] = ()


class Resolution(NamedTuple):
    """Each node's profile and raw component; what is shared by strangers; links not taken."""

    profiles: dict[NodeId, ProfileId]
    components: dict[NodeId, NodeId]
    shared: set[NodeId]
    refused: list[Refusal]


def resolve(facts: Facts, rules: Rules) -> Resolution:
    """Everything at once: the definition that increments must equal."""
    done = Resolution({}, {}, set(facts.shared), [])
    permitted = _permitted(facts, facts.edges, done.refused)
    permitted += _linked(facts)
    done.shared.update(_crowded(facts.nodes, permitted, rules))
    permitted += _permitted(facts, inferred(facts, rules), done.refused)
    live = list(_not_shared(permitted, done)) if done.shared else permitted
    by_id = {node.id: node for node in facts.nodes}
    done.components.update(roots(by_id, live))
    apart = [each for each in facts.verdicts if not each.together and _is_inside(each, done)]
    names = _plain(by_id.values(), apart, rules, done)
    for part in _close(by_id, live, apart, names, done.components):
        _resolve_part(part, rules, done)
    return done


def _is_inside(verdict: Verdict, done: Resolution) -> bool:
    a, b = done.components.get(verdict.a), done.components.get(verdict.b)
    return a is not None and a == b


def _plain(
    nodes: Iterable[Node], apart: Iterable[Verdict], rules: Rules, done: Resolution
) -> set[NodeId]:
    """Make people of the raw components that no rule can bite; returns the others."""
    members: dict[NodeId, list[Node]] = {}
    for node in nodes:
        members.setdefault(done.components[node.id], []).append(node)
    others = {done.components[each.a] for each in apart}
    known: dict[tuple[str, ...], bool] = {}
    for name, inside in members.items():
        if name in others:
            continue
        kinds = tuple(sorted([node.namespace for node in inside]))
        if kinds not in known:
            known[kinds] = rules.is_plain(Counter(kinds))
        if known[kinds]:
            profile = profile_id(inside, rules)
            for node in inside:
                done.profiles[node.id] = profile
        else:
            others.add(name)
    return others


def _close(
    nodes: Mapping[NodeId, Node],
    edges: Iterable[Edge],
    apart: Iterable[Verdict],
    names: set[NodeId],
    home: Mapping[NodeId, NodeId],
) -> Collection[Part]:
    """The raw components of these names, with all that is in them."""
    parts = {name: Part({}, [], []) for name in names}
    if not parts:
        return ()
    for node in nodes.values():
        if home[node.id] in parts:
            parts[home[node.id]].nodes[node.id] = node
    for each in edges:
        if home[each.a] in parts:
            parts[home[each.a]].edges.append(each)
    for verdict in apart:
        parts[home[verdict.a]].apart.append(verdict)
    return parts.values()


def _not_shared(edges: Iterable[Edge], done: Resolution) -> Iterator[Edge]:
    for each in edges:
        alone = {each.a, each.b} & done.shared if each.kind != Kind.LINKED else None
        if alone:
            done.refused.append(Refusal(each, Why.SHARED, min(alone)))
        else:
            yield each


def inferred(facts: Facts, rules: Rules) -> list[Edge]:
    """The links that matching says and that are probable enough, the most probable first."""
    if rules.confidence is None or not facts.inferred:
        return []
    ids = {node.id for node in facts.nodes}
    taken = [
        each
        for each in facts.inferred
        if each.probability >= rules.confidence and each.a in ids and each.b in ids
    ]
    return [
        Edge(each.a, each.b, Kind.INFERRED, each.at, each.event)
        for each in sorted(taken, key=lambda each: (-each.probability, each))
    ]


def _linked(facts: Facts) -> list[Edge]:
    """The links that operators say."""
    if not facts.verdicts:
        return []
    ids = {node.id for node in facts.nodes}
    return [
        Edge(each.a, each.b, Kind.LINKED, each.at, each.event)
        for each in facts.verdicts
        if each.together and each.a in ids and each.b in ids
    ]


def _permitted(facts: Facts, edges: Sequence[Edge], refused: list[Refusal]) -> list[Edge]:
    """Those of these links that nothing stands against; others are noted as refused."""
    if not facts.verdicts and not facts.blocked:
        return list(edges)
    said = {(each.a, each.b): each for each in facts.verdicts}
    permitted = []
    for each in edges:
        verdict = said.get((each.a, each.b))
        if verdict and not verdict.together:
            refused.append(Refusal(each, Why.UNLINKED, verdict.event))
        elif each.a in facts.blocked or each.b in facts.blocked:
            about = each.a if each.a in facts.blocked else each.b
            refused.append(Refusal(each, Why.BLOCKED, about))
        else:
            permitted.append(each)
    return permitted


def _crowded(nodes: Iterable[Node], edges: Sequence[Edge], rules: Rules) -> set[NodeId]:
    """The nodes that are linked directly with more others than one person's would be."""
    fewest = rules.fewest_shared
    if fewest is None:
        return set()
    degrees: dict[NodeId, int] = {}  # counting a pair once for each kind of its links
    for each in edges:
        degrees[each.a] = degrees.get(each.a, 0) + 1
        degrees[each.b] = degrees.get(each.b, 0) + 1
    beside: dict[NodeId, set[NodeId]] = {n: set() for n, count in degrees.items() if count > fewest}
    if not beside:
        return set()
    for each in edges:
        if each.kind != Kind.LINKED:
            if each.a in beside:
                beside[each.a].add(each.b)
            if each.b in beside:
                beside[each.b].add(each.a)
    namespaces = {node.id: node.namespace for node in nodes}
    return {node for node, others in beside.items() if _is_shared(node, others, namespaces, rules)}


def _is_shared(
    node: NodeId, others: Collection[NodeId], namespaces: Mapping[NodeId, str], rules: Rules
) -> bool:
    rule = rules.of(namespaces[node])
    if rule.neighbours is not None and len(others) > rule.neighbours:
        return True
    if rule.people is None or len(others) <= rule.people:
        return False
    return sum(rules.of(namespaces[other]).limit is not None for other in others) > rule.people


def _resolve_part(part: Part, rules: Rules, done: Resolution) -> None:
    """One profile if that breaks no rule, else link by link."""
    if fits(part, rules):
        profile = profile_id(part.nodes.values(), rules)
        done.profiles.update(dict.fromkeys(part.nodes, profile))
        return
    groups = Groups(part, rules)
    done.refused.extend(groups.take_all(part.edges))
    for together in groups.members.values():
        profile = profile_id((part.nodes[each] for each in together), rules)
        done.profiles.update(dict.fromkeys(together, profile))


def profile_id(nodes: Iterable[Node], rules: Rules) -> ProfileId:
    """A profile is named after its earliest-seen identifier."""
    every = list(nodes)
    first = min([node.first_seen for node in every])
    tied = [node for node in every if node.first_seen == first]
    return tied[0].id if len(tied) == 1 else min(tied, key=rules.rank).id
