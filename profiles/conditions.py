"""The segment language as frozen values: conditions, and their truth at an instant.

Every evaluation also says until when the answer holds if nothing happens but time passing, so a
timer can re-evaluate at exactly that instant. A window of length w contains an event from its
instant t up to, and not including, t + w.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from cdp.events import Instant
from cdp.times import parse_duration
from profiles.comparing import Test, lookup, satisfies, tests_in

LEAST_NEWEST = 16  # instants a window keeps at least, so that small changes need no new counter


class Filter(NamedTuple):
    """What a property must satisfy."""

    property: str
    tests: tuple[Test, ...]


class Counter(NamedTuple):
    """Something to be counted: an event name and filters; `key` says all of it, canonically."""

    key: str
    event: str
    filters: tuple[Filter, ...]
    newest: int


class Counted(Protocol):
    """How often, and the newest instants in ascending order, as a fragment or profile keeps it."""

    count: int
    newest: list[Instant]


class Facts(Protocol):
    """What conditions are evaluated on."""

    def trait(self, name: str) -> Any:
        """The latest value of a trait, by name or by dotted path; None when there is none."""

    def occurrences(self, event: str) -> int:
        """How often an event ever happened."""

    def window(self, counter: Counter) -> Counted | None:
        """The state of a counter; None when nothing ever matched it."""


class Outcome(NamedTuple):
    """The truth at an instant, and the next instant at which time alone could change it."""

    holds: bool
    until: Instant | None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait satisfies every test."""

    name: str
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """An event was counted so often; `within` is in microseconds, None means ever."""

    event: str
    counter: Counter | None  # None: the plain tally of the event answers it
    tests: tuple[Test, ...]
    within: int | None


Condition: TypeAlias = AllOf | AnyOf | Not | Trait | Count


def parse(where: Mapping[str, Any]) -> Condition:
    """The condition that a validated definition describes."""
    if "all" in where:
        return AllOf(tuple(parse(each) for each in where["all"]))
    if "any" in where:
        return AnyOf(tuple(parse(each) for each in where["any"]))
    if "not" in where:
        return Not(parse(where["not"]))
    if "trait" in where:
        return Trait(where["trait"], tests_in(where))
    tests = tests_in(where.get("count", {})) or (Test("gte", 1),)
    within = parse_duration(where["within"]) if "within" in where else None
    filters = where.get("where", [])
    needed = None
    if filters or within is not None:
        newest = _newest(tests) if within is not None else LEAST_NEWEST
        needed = counter(where["event"], filters, newest)
    return Count(where["event"], needed, tests, within)


def counter(event: str, filters: list[dict[str, Any]], newest: int) -> Counter:
    """What counts this event under these filters."""
    plain = {"event": event, "where": filters, "newest": newest}
    key = msgspec.json.encode(plain, order="deterministic").decode()
    parsed = tuple(Filter(each["property"], tests_in(each)) for each in filters)
    return Counter(key, event, parsed, newest)


def counters(condition: Condition) -> Iterator[Counter]:
    """Everything a condition needs counted."""
    match condition:
        case AllOf(of) | AnyOf(of):
            for each in of:
                yield from counters(each)
        case Not(inner):
            yield from counters(inner)
        case Count(counter=Counter() as counter):
            yield counter


def evaluate(condition: Condition, facts: Facts, now: Instant) -> Outcome:
    """The truth of a condition about these facts at this instant."""
    match condition:
        case AllOf(of):
            return _combined([evaluate(each, facts, now) for each in of], all)
        case AnyOf(of):
            return _combined([evaluate(each, facts, now) for each in of], any)
        case Not(inner):
            holds, until = evaluate(inner, facts, now)
            return Outcome(not holds, until)
        case Trait(name, tests):
            return Outcome(satisfies(facts.trait(name), tests), None)
        case Count():
            return _counted(condition, facts, now)


def _combined(outcomes: list[Outcome], rule: Callable[[Iterable[bool]], bool]) -> Outcome:
    changes = [outcome.until for outcome in outcomes if outcome.until is not None]
    return Outcome(rule(outcome.holds for outcome in outcomes), min(changes, default=None))


def _counted(condition: Count, facts: Facts, now: Instant) -> Outcome:
    if condition.counter is None:
        return Outcome(satisfies(facts.occurrences(condition.event), condition.tests), None)
    window = facts.window(condition.counter)
    if condition.within is None:
        return Outcome(satisfies(window.count if window else 0, condition.tests), None)
    return _in_window(window.newest if window else [], condition.tests, condition.within, now)


def _in_window(
    instants: list[Instant], tests: tuple[Test, ...], within: int, now: Instant
) -> Outcome:
    """Count what is inside; then let the oldest leave, one by one, until the answer flips.

    Instants are in order. One that is not over by this clock yet was received by another's: it
    counts from its instant on, so the answer holds no longer than until then.
    """
    first = bisect_right(instants, now - within)
    last = bisect_right(instants, now)
    inside = last - first
    holds = satisfies(inside, tests)
    horizon = instants[last] if last < len(instants) else None
    for gone in range(1, inside + 1):
        instant = instants[first + gone - 1] + within
        if horizon is not None and instant >= horizon:
            break
        if satisfies(inside - gone, tests) != holds:
            return Outcome(holds, instant)
    return Outcome(holds, horizon)


def matches(filters: tuple[Filter, ...], properties: Mapping[str, Any]) -> bool:
    """Whether an event's properties satisfy every filter."""
    return all(satisfies(lookup(properties, name), tests) for name, tests in filters)


def _newest(tests: tuple[Test, ...]) -> int:
    """Enough instants to tell n from more than n, rounded up to a power of two."""
    needed: int = max(test.value for test in tests) + 1
    return max(LEAST_NEWEST, 1 << (needed - 1).bit_length())
