"""What events amount to at an instant, and when that changes by time alone."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from cdp.events import Instant
from profiles.language import spans
from profiles.language.comparing import Test
from profiles.language.conditions import Facts, Measure, Predicted, Value
from profiles.language.conditions import Sequence as Ordered
from profiles.language.counters import Counter
from profiles.language.keeping import MILLION, Entry, plain
from profiles.language.sequences import completions
from profiles.language.spans import Calendar, Sliding, Span


class Reading(Protocol):
    """A measure of somebody."""

    def values(self, now: Instant) -> Sequence[Any]:
        """What it is: one value, or with `same` one for each of the property's values."""

    def turns(self, now: Instant, tests: Sequence[Test]) -> Iterator[Instant]:
        """The instants after now, in order, at which it may pass other tests by time alone."""

    def rises(self, now: Instant) -> bool:
        """Whether it could be more by time alone."""


def reading(measure: Value | None, facts: Facts) -> Reading:
    """Of what these facts have."""
    match measure:
        case None | Predicted():
            said = facts.prediction(measure.model) if measure else None
            return _Steady((said["value"] if said else None,))
        case Ordered():
            if any(facts.kept(step.counter) is None for step in measure.steps):
                return _NEVER
            ends = completions(measure, lambda counter: facts.kept(counter) or [])
            return _Spanned(measure.span, _zone(measure, facts), ends, ends, len)
    if measure.counter is None:
        return _tallied(measure, facts)
    if measure.counter.keep == "instants":
        return _instants(measure, measure.counter, facts)
    return _of_state(measure, facts.kept(measure.counter), facts)


def _tallied(measure: Measure, facts: Facts) -> Reading:
    tally = facts.tally(measure.event)
    if measure.kind == "count":
        return _Steady((tally.count if tally else 0,))
    if tally is None:
        return _Steady((None,))
    return _Since(tally.first if measure.kind == "since_first" else tally.last)


def _instants(measure: Measure, counter: Counter, facts: Facts) -> Reading:
    window = facts.window(counter)
    if window is None:
        return _NEVER
    if measure.span is None:
        return _Steady((window.count,))
    instants = window.newest
    return _Spanned(measure.span, _zone(measure, facts), instants, instants, len)


def _of_state(measure: Measure, state: Any, facts: Facts) -> Reading:
    if state is None:
        return _OF_NOTHING["same" if measure.same else measure.kind]
    if measure.kind == "days":
        zone, instants = facts.zone(), state
        return _Spanned(measure.span, zone, instants, instants, lambda found: _days(found, zone))
    if measure.span is None:
        return _ever(measure, state)
    entries = state
    instants, zone = [entry[0] for entry in entries], _zone(measure, facts)
    if measure.same:
        return _Spanned(measure.span, zone, instants, entries, _per_value, each=True)
    reduce, falls = _REDUCE[measure.kind], measure.kind in _FALLING
    return _Spanned(measure.span, zone, instants, entries, reduce, falls=falls)


def _ever(measure: Measure, state: Any) -> Reading:
    if measure.kind in {"since_first", "since_last"}:
        return _Since(state[0][0] if measure.kind == "since_first" else state[1][0])
    if measure.same:
        return _Steady(tuple(state.values()))
    return _Steady((_EVER[measure.kind](state),))


def _zone(measure: Measure | Ordered, facts: Facts) -> str:
    """Where they live, if it is asked for: finding out takes time."""
    return facts.zone() if isinstance(measure.span, Calendar) else ""


class _Steady(NamedTuple):
    """Does not change by time."""

    found: Sequence[Any]

    def values(self, now: Instant) -> Sequence[Any]:
        return self.found

    def turns(self, now: Instant, tests: Sequence[Test]) -> Iterator[Instant]:
        return iter(())

    def rises(self, now: Instant) -> bool:
        return False


class _Since(NamedTuple):
    """How long ago something was, in microseconds."""

    at: Instant

    def values(self, now: Instant) -> Sequence[Any]:
        return (now - self.at,)

    def turns(self, now: Instant, tests: Sequence[Test]) -> Iterator[Instant]:
        flips = {self.at + test.value + late for test in tests for late in (0, 1)}
        return iter(sorted(each for each in flips if each > now))

    def rises(self, now: Instant) -> bool:
        return True


class _Spanned(NamedTuple):
    """Of what lies in a span; each of `what` has the instant of the same number."""

    span: Span | None
    zone: str
    instants: Sequence[Instant]
    what: Sequence[Any]
    reduce: Callable[[Sequence[Any]], Any]
    each: bool = False  # what it is reduced to are several values
    falls: bool = True  # the fewer, the less

    def values(self, now: Instant) -> Sequence[Any]:
        first, last = spans.inside(self.span, self.instants, now, self.zone)
        found = self.reduce(self.what[first:last])
        return found if self.each else (found,)

    def turns(self, now: Instant, tests: Sequence[Test]) -> Iterator[Instant]:
        return spans.turns(self.span, self.instants, now, self.zone)

    def rises(self, now: Instant) -> bool:
        if self.instants and self.instants[-1] > now:
            return True  # by another's clock
        return not (self.falls and isinstance(self.span, Sliding))


def _days(instants: Sequence[Instant], zone: str) -> int:
    return len({spans.local_day(at, zone) for at in instants})


def _per_value(entries: Sequence[Entry]) -> Sequence[int]:
    return list(Multiset(entry[2] for entry in entries).values())


def _numbers(entries: Sequence[Entry]) -> list[int]:
    return [entry[2] for entry in entries]


def _average(total: int, times: int) -> float | None:
    return total / times / MILLION if times else None


def _plain(amount: int | None) -> int | float | None:
    return None if amount is None else plain(amount)


def _value(written: str | None) -> Any:
    return None if written is None else msgspec.json.decode(written)


def _most_frequent(times: Mapping[str, int]) -> Any:
    """Of as frequent ones the first in the order of their JSON."""
    return _value(min(times, key=lambda value: (-times[value], value), default=None))


_REDUCE: Mapping[str, Callable[[Sequence[Entry]], Any]] = {
    "sum": lambda entries: plain(sum(_numbers(entries))),
    "average": lambda entries: _average(sum(_numbers(entries)), len(entries)),
    "min": lambda entries: _plain(min(_numbers(entries), default=None)),
    "max": lambda entries: _plain(max(_numbers(entries), default=None)),
    "distinct": lambda entries: len({entry[2] for entry in entries}),
    "first": lambda entries: _value(entries[0][2] if entries else None),
    "last": lambda entries: _value(entries[-1][2] if entries else None),
    "most_frequent": lambda entries: _most_frequent(Multiset(entry[2] for entry in entries)),
}
_FALLING = frozenset({"max", "distinct"})
# Of the states that ever is answered from.
_EVER: Mapping[str, Callable[[Any], Any]] = {
    "sum": lambda sums: plain(int(sums[1])),
    "average": lambda sums: _average(int(sums[1]), sums[0]),
    "min": lambda sums: plain(sums[2]),
    "max": lambda sums: plain(sums[3]),
    "distinct": len,
    "first": lambda ends: _value(ends[0][2]),
    "last": lambda ends: _value(ends[1][2]),
    "most_frequent": _most_frequent,
}
_NEVER = _Steady((0,))
_OF_NOTHING: Mapping[str, Reading] = {
    **{kind: _Steady((reduce(()),)) for kind, reduce in _REDUCE.items()},
    "days": _NEVER,
    "since_first": _Steady((None,)),
    "since_last": _Steady((None,)),
    "same": _Steady(()),
}
