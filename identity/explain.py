"""Why two identifiers are, or are not, the same person: the strongest way from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

from identity.graph import Edge, NodeId
from identity.groups import Refusal, Why
from identity.identifiers import Kind
from identity.model import Facts, Resolution, inferred
from identity.rules import Rules

_REFUSED = 10**6  # a way over links that were not taken is the last resort
_STEP = 8  # one step over a kind costs as much as so many over the next stronger

_SAID = {
    Kind.LOGIN: "an identify call named both",
    Kind.IDENTIFY: "an identify call gave one as a trait of the other",
    Kind.ALIAS: "an alias or merge call said that they are the same",
    Kind.TOGETHER: "they came on one message",
    Kind.INFERRED: "they are alike",
    Kind.LINKED: "an operator said so",
    Kind.SPELLED: "the rules take its spelling for this",
}


class Step(NamedTuple):
    """One link from `a` to `b`, and why it was not taken, if it was not."""

    edge: Edge
    refusal: Refusal | None
    a: NodeId
    b: NodeId


class Way(NamedTuple):
    """How two identifiers hang together; no steps if they do not."""

    same: bool
    steps: list[Step]


def way(facts: Facts, resolution: Resolution, rules: Rules, a: NodeId, b: NodeId) -> Way:
    """The strongest way between two nodes, over links that were taken if that is possible."""
    import networkx as nx  # only here: a process that is never asked need not hold it

    refusals = {each.edge: each for each in resolution.refused}
    graph: nx.Graph[NodeId] = nx.Graph()
    for step in steps(facts, refusals, rules):
        cost = _STEP ** (rules.weight(step.edge.kind) + 1) + (_REFUSED if step.refusal else 0)
        known = graph.get_edge_data(*step.edge[:2])
        if known is None or (cost, step.edge) < (known["cost"], known["step"].edge):
            graph.add_edge(*step.edge[:2], cost=cost, step=step)
    same = resolution.profiles.get(a) == resolution.profiles.get(b)
    if a not in graph or b not in graph or not nx.has_path(graph, a, b):
        return Way(same, [])
    path = nx.shortest_path(graph, a, b, weight="cost")
    return Way(same, [graph.edges[a, b]["step"]._replace(a=a, b=b) for a, b in pairwise(path)])


def steps(facts: Facts, refusals: Mapping[Edge, Refusal], rules: Rules) -> list[Step]:
    """Every link there is, what operators and matching said among them."""
    linked = [
        Edge(each.a, each.b, Kind.LINKED, each.at, each.event)
        for each in facts.verdicts
        if each.together
    ]
    every = (*linked, *facts.edges, *inferred(facts, rules))
    return [Step(each, refusals.get(each), each.a, each.b) for each in every]


def said(step: Step) -> str:
    """What speaks for a link."""
    return _SAID[Kind(step.edge.kind)]


def reason(refusal: Refusal, rules: Rules, name: Callable[[NodeId], str]) -> str:
    """What speaks against a link, in words; `name` tells identifiers."""
    if refusal.why == Why.LIMIT:
        namespace = refusal.about.decode()
        return f"one person has at most {rules.of(namespace).limit} {namespace}"
    told = {
        Why.BLOCKED: f"a rule says that {name(refusal.about)} links nobody",
        Why.SHARED: f"{name(refusal.about)} is shared by too many to be one person's",
        Why.UNLINKED: "an operator said that they are not the same",
        Why.APART: "it would join two whom an operator set apart",
        Why.CONTRADICTED: "what was said of them outright could not be taken by the rules",
        Why.HELD: "it is the only, weak link between two large profiles and awaits a review",
    }
    return told[refusal.why]


def sentence(
    found: Way,
    rules: Rules,
    name: Callable[[NodeId], str],
    tell: Callable[[Step], str] = said,
) -> str:
    """The whole answer, for a person to read; `tell` says what speaks for a link."""
    if found.same:
        parts = [f"{_pair(step, name)}: {tell(step)}" for step in found.steps]
        return f"The same person, because {'; '.join(parts)}." if parts else "The same identifier."
    against = [step for step in found.steps if step.refusal]
    if not against:
        return "Not the same person, because nothing that was ever seen links them."
    parts = [
        f"{_pair(step, name)}: {tell(step)}, but {reason(step.refusal, rules, name)}"
        for step in against
        if step.refusal
    ]
    return f"Not the same person, because {'; '.join(parts)}."


def _pair(step: Step, name: Callable[[NodeId], str]) -> str:
    return f"{name(step.a)} and {name(step.b)}"
