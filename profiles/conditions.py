"""The segment language as frozen values; `evaluating` tells their truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from cdp.events import Instant
from cdp.times import parse_duration
from profiles.comparing import Test, lookup, satisfies, tests_in

LEAST_NEWEST = 16  # instants a window keeps at least, so that small changes need no new counter


class Filter(NamedTuple):
    """What a property must satisfy."""

    property: str
    tests: tuple[Test, ...]


Which: TypeAlias = Literal["first", "last"]


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

    def seen(self, which: Which) -> Instant | None:
        """When they did the first or the last of all they did; None when that is nothing."""

    def allows(self, purpose: str) -> bool:
        """Whether they allow a purpose now."""


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


@dataclass(frozen=True, slots=True)
class Seen:
    """They did their first or last thing within so many microseconds."""

    which: Which
    within: int


@dataclass(frozen=True, slots=True)
class Allows:
    """They allow a purpose."""

    purpose: str


Condition: TypeAlias = AllOf | AnyOf | Not | Trait | Count | Seen | Allows


def parse(where: Mapping[str, Any]) -> Condition:
    """The condition that a validated definition describes."""
    return next(made(where) for kind, made in _KINDS.items() if kind in where)


def _parsed_count(where: Mapping[str, Any]) -> Count:
    tests = tests_in(where.get("count", {})) or (Test("gte", 1),)
    within = parse_duration(where["within"]) if "within" in where else None
    filters = where.get("where", [])
    needed = None
    if filters or within is not None:
        newest = _newest(tests) if within is not None else LEAST_NEWEST
        needed = counter(where["event"], filters, newest)
    return Count(where["event"], needed, tests, within)


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Condition]] = {
    "all": lambda where: AllOf(tuple(parse(each) for each in where["all"])),
    "any": lambda where: AnyOf(tuple(parse(each) for each in where["any"])),
    "not": lambda where: Not(parse(where["not"])),
    "trait": lambda where: Trait(where["trait"], tests_in(where)),
    "seen": lambda where: Seen(where["seen"], parse_duration(where["within"])),
    "consent": lambda where: Allows(where["consent"]),
    "event": _parsed_count,
}


def counter(event: str, filters: list[dict[str, Any]], newest: int) -> Counter:
    """What counts this event under these filters."""
    plain = {"event": event, "where": filters, "newest": newest}
    key = msgspec.json.encode(plain, order="deterministic").decode()
    parsed = tuple(Filter(each["property"], tests_in(each)) for each in filters)
    return Counter(key, event, parsed, newest)


def counters(condition: Condition) -> Iterator[Counter]:
    """Everything a condition needs counted."""
    for each in leaves(condition):
        if isinstance(each, Count) and each.counter is not None:
            yield each.counter


def purposes(condition: Condition) -> Iterator[str]:
    """Every purpose that a condition asks for."""
    return (each.purpose for each in leaves(condition) if isinstance(each, Allows))


def leaves(condition: Condition) -> Iterator[Condition]:
    """What a condition is made of, without what combines it."""
    match condition:
        case AllOf(of) | AnyOf(of):
            for each in of:
                yield from leaves(each)
        case Not(inner):
            yield from leaves(inner)
        case _:
            yield condition


def matches(filters: tuple[Filter, ...], properties: Mapping[str, Any]) -> bool:
    """Whether an event's properties satisfy every filter."""
    return all(satisfies(lookup(properties, name), tests) for name, tests in filters)


def _newest(tests: tuple[Test, ...]) -> int:
    """Enough instants to tell n from more than n, rounded up to a power of two."""
    needed: int = max(test.value for test in tests) + 1
    return max(LEAST_NEWEST, 1 << (needed - 1).bit_length())
