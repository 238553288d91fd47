"""Why somebody is in a segment or not: the tree with what each node found, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cdp.events import Instant
from cdp.times import iso
from profiles.language import spans
from profiles.language.conditions import (
    Condition,
    Count,
    Facts,
    Identified,
    Inside,
    Measure,
    Measured,
    Not,
    Seen,
    Trait,
    Value,
    asked,
)
from profiles.language.counters import Counter, matches
from profiles.language.evaluating import evaluate
from profiles.language.measuring import reading
from profiles.language.parsing import NOTHING, TIMED, Known, parse
from profiles.language.text.writing import normal, text

MOST = 20  # events that are named for a node, the newest


class Deed(NamedTuple):
    """Something the person did that the segment's purpose may see."""

    at: Instant
    id: bytes
    name: str
    properties: Mapping[str, Any]


class Explanation(NamedTuple):
    """A node: its text, truth, until when by time alone, what it found, and the nodes below."""

    text: str
    holds: bool
    until: Instant | None
    value: Any
    deeds: Sequence[Deed]
    of: Sequence[Explanation]
    every: bool  # all of those below must hold; else one of them


def explain(
    where: Mapping[str, Any],
    facts: Facts,
    deeds: Sequence[Deed],
    now: Instant,
    known: Known = NOTHING,
) -> Explanation:
    """Of a definition that was checked; `deeds` in the order of their instants."""
    return _Explaining(deeds, now, known).node(normal(where), facts)


def because(node: Explanation) -> list[str]:
    """What makes a node hold that does: the texts of the least that it rests on."""
    if not node.of:
        return [node.text]
    return [each for inner in node.of if inner.holds for each in because(inner)]


def missing(node: Explanation) -> list[str]:
    """What would have to hold for a node that does not: all of these texts."""
    if not node.of or not node.every:
        return [node.text]
    return [each for inner in node.of if not inner.holds for each in missing(inner)]


class _Explaining(NamedTuple):
    deeds: Sequence[Deed]
    now: Instant
    known: Known

    def node(self, where: Mapping[str, Any], facts: Facts) -> Explanation:
        condition = parse(where, self.known)
        holds, until = evaluate(condition, facts, self.now)
        inner: Sequence[Mapping[str, Any]] = where.get("all") or where.get("any") or ()
        below = [self.node(each, facts) for each in inner]
        if isinstance(condition, Inside) and condition.condition is not None:
            purpose, referred = self.known.segments[condition.segment]
            below = [self.node(normal(referred), facts.also(purpose))]
        value, found = self._found(condition if "not" not in where else _inner(condition), facts)
        return Explanation(text(where), holds, until, value, found, below, "all" in where)

    def _found(self, condition: Condition, facts: Facts) -> tuple[Any, Sequence[Deed]]:
        """What a leaf looks at; of `not`, what that is about."""
        match condition:
            case Trait(name):
                return facts.trait(name), ()
            case Identified(namespace):
                return facts.identifiers(namespace), ()
            case Seen(which):
                at = facts.seen(which)
                named = [each for each in self.deeds if each.at == at][-1:]
                return None if at is None else iso(at), named
            case Count(event, counter, within=within):
                span = None if within is None else spans.Sliding(within)
                found = self._spanned(self._matching(event, counter), span, facts)
                return len(found), found[-MOST:]
            case Measured(measure) if measure is not None:
                return self._measured(measure, facts)
        return None, ()

    def _measured(self, measure: Value, facts: Facts) -> tuple[Any, Sequence[Deed]]:
        values = reading(measure, facts).values(self.now)
        if isinstance(measure, Measure):
            matching = self._matching(measure.event, measure.counter)
            found = self._spanned(matching, measure.span, facts)
            if measure.kind in TIMED and found:
                value = iso(found[0 if measure.kind == "since_first" else -1].at)
                return value, found[-1:]
            return max(values, default=0) if measure.same else values[0], found[-MOST:]
        counters = set(asked(measure))
        found = [
            each
            for each in self.deeds
            if any(_counts(each, counter) for counter in counters) and each.at <= self.now
        ]
        return values[0], found[-MOST:]

    def _matching(self, event: str, counter: Counter | None) -> list[Deed]:
        if counter is None:
            return [each for each in self.deeds if each.name == event]
        return [each for each in self.deeds if _counts(each, counter)]

    def _spanned(
        self, matching: Sequence[Deed], span: spans.Span | None, facts: Facts
    ) -> Sequence[Deed]:
        if span is None:
            return matching
        instants = [each.at for each in matching]
        first, last = spans.inside(span, instants, self.now, facts.zone())
        return matching[first:last]


def _counts(deed: Deed, counter: Counter) -> bool:
    return deed.name == counter.event and matches(counter.filters, deed.properties)


def _inner(condition: Condition) -> Condition:
    while isinstance(condition, Not):
        condition = condition.condition
    return condition
