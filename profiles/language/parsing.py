"""From a definition as people write it, checked, to the condition or measure that it describes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from cdp.times import parse_duration
from profiles.language.comparing import Test, tests_in
from profiles.language.conditions import (
    AllOf,
    Allows,
    AnyOf,
    Condition,
    Count,
    Identified,
    Inside,
    Measure,
    Measured,
    Not,
    Predicted,
    Seen,
    Step,
    Trait,
    Value,
)
from profiles.language.conditions import Sequence as Ordered
from profiles.language.counters import Counter, Filter, Filters, Keep
from profiles.language.spans import Calendar, Sliding, Span, calendar, reach

LEAST_NEWEST = 16  # instants a window keeps at least, so that small changes need no new counter
MOST = 1000  # entries that are kept where a number of events does not bound them
_MOST = defaultdict(lambda: MOST, instants=1024, quarters=5000)
COUNTED = ("count", "days")  # compared with whole numbers
TIMED = ("since_first", "since_last")  # compared with durations
ADDED = ("sum", "average", "min", "max")  # of numbers
VALUED = ("distinct", "first", "last", "most_frequent")  # of any values
MEASURES = (*COUNTED, *TIMED, *ADDED, *VALUED)

_ONCE = (Test("gte", 1),)


class Known(NamedTuple):
    """What definitions may refer to: segments, each with its purpose, and computed traits."""

    segments: Mapping[str, tuple[str, Mapping[str, Any]]] = {}
    computed: Mapping[str, Mapping[str, Any]] = {}


NOTHING = Known()


def parse(where: Mapping[str, Any], known: Known = NOTHING) -> Condition:
    """The condition that a validated definition describes."""
    return next(made(where, known) for kind, made in _KINDS.items() if kind in where)


def measure(value: Mapping[str, Any]) -> Value:
    """What a validated definition measures."""
    if "sequence" in value:
        return _sequence(value)
    if "predicted" in value:
        return Predicted(value["predicted"])
    kind = next((each for each in MEASURES if each in value), "count")
    span, filters, same = _span(value), value.get("where", []), value.get("same", "")
    of = same or value.get(kind, {}).get("of", "")
    if not (filters or span or of or kind == "days"):
        return Measure(kind, value["event"], None, None)
    keep = _kept(kind, span) if kind != "count" or same else "instants"
    horizon = reach(span) if keep != "instants" else 0
    needed = counter(value["event"], filters, _MOST[keep], keep, of, horizon)
    return Measure(kind, value["event"], needed, span, bool(same))


def references(where: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a definition refers to: ("segment", key) and ("computed", key)."""
    for kind in ("segment", "computed"):
        if kind in where:
            yield kind, where[kind]
    inner: Iterable[Any] = where.get("all") or where.get("any") or ()
    for each in (*inner, *([where["not"]] if "not" in where else ())):
        yield from references(each)


def counter(  # noqa: PLR0917 - what its row in the database has
    event: str,
    filters: Sequence[Mapping[str, Any]],
    newest: int,
    keep: Keep = "instants",
    of: str = "",
    horizon: int = 0,
) -> Counter:
    """What keeps this of an event under these filters."""
    plain = {"event": event, "where": filters, "newest": newest}
    if keep != "instants":
        plain |= {"keep": keep, "of": of, "horizon": horizon}
    key = msgspec.json.encode(plain, order="deterministic").decode()
    parsed = tuple(_filter(each) for each in filters)
    return Counter(key, event, parsed, newest, keep, of, horizon)


def _filter(where: Mapping[str, Any]) -> Filter | Filters:
    if "not" in where:
        return Filters("not", (_filter(where["not"]),))
    for rule in ("all", "any"):
        if rule in where:
            return Filters(rule, tuple(_filter(each) for each in where[rule]))
    return Filter(where["property"], tests_in(where), where.get("as", ""))


def _event(where: Mapping[str, Any], _: Known) -> Condition:
    kind = next((each for each in MEASURES if each in where), "count")
    tests = _tests(kind, where.get(kind, {}))
    if kind != "count" or "during" in where or "same" in where:
        return Measured(measure(where), tests or _ONCE)
    tests = tests or _ONCE
    within = parse_duration(where["within"]) if "within" in where else None
    filters = where.get("where", [])
    needed = None
    if filters or within is not None:
        newest = _newest(tests) if within is not None else LEAST_NEWEST
        needed = counter(where["event"], filters, newest)
    return Count(where["event"], needed, tests, within)


def _tests(kind: str, where: Mapping[str, Any]) -> tuple[Test, ...]:
    if kind in TIMED:
        return tuple(Test(op, parse_duration(value)) for op, value in where.items())
    return tests_in(where)


def _kept(kind: str, span: Span | None) -> Keep:
    if kind == "days":
        return "quarters"
    if kind in ADDED:
        return "numbers" if span else "sums"
    if kind in {"first", "last", *TIMED}:
        return "entries" if span else "ends"
    return "entries" if span else "tops"


def _sequence(where: Mapping[str, Any]) -> Ordered:
    span, same = _span(where), where.get("same", "")
    *_, last = written = where["sequence"]
    lacking = last if "no" in last else None
    wait = parse_duration(last["for"]) if lacking else 0
    written = written[:-1] if lacking else written
    limits = [parse_duration(each["within"]) if "within" in each else None for each in written]
    longest = reach(span)
    bounded = longest and None not in limits[1:]
    horizon = longest + wait + sum(each or 0 for each in limits[1:]) if bounded else 0

    def kept(event: str, filters: Sequence[Mapping[str, Any]]) -> Counter:
        return counter(event, filters, MOST, "entries", same, horizon)

    steps = tuple(
        Step(
            kept(each["event"], each.get("where", [])),
            parse_duration(each["after"]) if "after" in each else 0,
            limit,
            tuple(kept(one["event"], one.get("where", [])) for one in each.get("without", [])),
        )
        for each, limit in zip(written, limits, strict=True)
    )
    absent = kept(lacking["no"], lacking.get("where", [])) if lacking else None
    return Ordered(steps, absent, wait, same, span)


def _span(where: Mapping[str, Any]) -> Span | None:
    if "during" in where:
        found: Calendar = calendar(where["during"])
        return found
    return Sliding(parse_duration(where["within"])) if "within" in where else None


def _inside(where: Mapping[str, Any], known: Known) -> Condition:
    key = where["segment"]
    if key not in known.segments:
        return Inside(key, "", None)
    purpose, inner = known.segments[key]
    return Inside(key, purpose, parse(inner, known))


def _computed(where: Mapping[str, Any], known: Known) -> Condition:
    value = known.computed.get(where["computed"])
    return Measured(measure(value) if value is not None else None, tests_in(where))


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Known], Condition]] = {
    "all": lambda where, known: AllOf(tuple(parse(each, known) for each in where["all"])),
    "any": lambda where, known: AnyOf(tuple(parse(each, known) for each in where["any"])),
    "not": lambda where, known: Not(parse(where["not"], known)),
    "trait": lambda where, _: Trait(where["trait"], tests_in(where), where.get("as", "")),
    "seen": lambda where, _: Seen(where["seen"], parse_duration(where["within"])),
    "consent": lambda where, _: Allows(where["consent"]),
    "identifier": lambda where, _: Identified(where["identifier"], tests_in(where)),
    "segment": _inside,
    "computed": _computed,
    "sequence": lambda where, _: Measured(
        _sequence(where), tests_in(where.get("count", {})) or _ONCE
    ),
    "event": _event,
}


def _newest(tests: tuple[Test, ...]) -> int:
    """Enough instants to tell n from more than n, rounded up to a power of two."""
    needed: int = max(test.value for test in tests) + 1
    return max(LEAST_NEWEST, 1 << (needed - 1).bit_length())
