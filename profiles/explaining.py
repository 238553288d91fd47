"""Why somebody is in a segment or not: the tree with what each node found, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cdp.events import Instant
from cdp.times import iso
from profiles.conditions import Count, Facts, Seen, Trait, counter, matches, parse
from profiles.evaluating import evaluate
from profiles.text.writing import normal, text

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
    where: Mapping[str, Any], facts: Facts, deeds: Sequence[Deed], now: Instant
) -> Explanation:
    """Of a definition that was checked; `deeds` in the order of their instants."""
    return _node(normal(where), facts, deeds, now)


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


def _node(
    where: Mapping[str, Any], facts: Facts, deeds: Sequence[Deed], now: Instant
) -> Explanation:
    holds, until = evaluate(parse(where), facts, now)
    inner: Sequence[Mapping[str, Any]] = where.get("all") or where.get("any") or ()
    below = [_node(each, facts, deeds, now) for each in inner]
    value, found = _found(where, facts, deeds, now)
    return Explanation(text(where), holds, until, value, found, below, "all" in where)


def _found(
    where: Mapping[str, Any], facts: Facts, deeds: Sequence[Deed], now: Instant
) -> tuple[Any, Sequence[Deed]]:
    """What a leaf looks at; of `not`, what that is about."""
    if "not" in where:
        return _found(where["not"], facts, deeds, now)
    match parse(where):
        case Trait(name):
            return facts.trait(name), ()
        case Seen(which):
            at = facts.seen(which)
            named = [each for each in deeds if each.at == at][-1:]
            return None if at is None else iso(at), named
        case Count(event, within=within):
            filters = counter(event, where.get("where", []), 0).filters
            since = now - within if within is not None else -1
            counted = [
                each
                for each in deeds
                if each.name == event
                and since < each.at
                and (within is None or each.at <= now)
                and matches(filters, each.properties)
            ]
            return len(counted), counted[-MOST:]
    return None, ()
