"""The truth of a condition about somebody at an instant, and until when time alone leaves it so.

A timer re-evaluates at exactly that instant. A window of length w contains an event from its
instant t up to, and not including, t + w.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from cdp.events import Instant
from profiles.language.comparing import READINGS, Relative, Test, instant, satisfies
from profiles.language.conditions import (
    AllOf,
    Allows,
    AnyOf,
    Condition,
    Count,
    Facts,
    Identified,
    Inside,
    Measured,
    Not,
    Seen,
    Trait,
)
from profiles.language.measuring import Reading, reading

_AT_LEAST = frozenset({"gt", "gte"})
PATIENCE = 64  # instants that are looked at ahead


class Outcome(NamedTuple):
    """The truth at an instant, and the next instant at which time alone could change it."""

    holds: bool
    until: Instant | None


def evaluate(condition: Condition, facts: Facts, now: Instant) -> Outcome:
    """The truth of a condition about these facts at this instant."""
    return _TRUTH[type(condition)](condition, facts, now)


def _all(condition: AllOf, facts: Facts, now: Instant) -> Outcome:
    return _combined(condition.of, facts, now, decisive=False)


def _any(condition: AnyOf, facts: Facts, now: Instant) -> Outcome:
    return _combined(condition.of, facts, now, decisive=True)


def _not(condition: Not, facts: Facts, now: Instant) -> Outcome:
    holds, until = evaluate(condition.condition, facts, now)
    return Outcome(not holds, until)


def _allows(condition: Allows, facts: Facts, now: Instant) -> Outcome:
    return Outcome(facts.allows(condition.purpose), None)


def _identified(condition: Identified, facts: Facts, now: Instant) -> Outcome:
    known = facts.identifiers(condition.namespace)
    return Outcome(any(satisfies(each, condition.tests) for each in known), None)


def _inside(condition: Inside, facts: Facts, now: Instant) -> Outcome:
    if condition.condition is None or not facts.allows(condition.purpose):
        return Outcome(False, None)
    return evaluate(condition.condition, facts.also(condition.purpose), now)


def _combined(of: Iterable[Condition], facts: Facts, now: Instant, *, decisive: bool) -> Outcome:
    """One that is decisive settles it for as long as it is; else the first to change may."""
    settled, soonest = 0, None
    for each in of:
        holds, until = evaluate(each, facts, now)
        if holds is decisive:
            if until is None:
                return Outcome(decisive, None)
            settled = max(settled, until)
        elif until is not None and (soonest is None or until < soonest):
            soonest = until
    return Outcome(decisive, settled) if settled else Outcome(not decisive, soonest)


def _counted(condition: Count, facts: Facts, now: Instant) -> Outcome:
    if condition.counter is None:
        tally = facts.tally(condition.event)
        return Outcome(satisfies(tally.count if tally else 0, condition.tests), None)
    window = facts.window(condition.counter)
    if condition.within is None:
        return Outcome(satisfies(window.count if window else 0, condition.tests), None)
    return _in_window(window.newest if window else [], condition.tests, condition.within, now)


def _measured(condition: Measured, facts: Facts, now: Instant) -> Outcome:
    """Ask anew at each instant at which it may turn; after PATIENCE of them, then at the latest."""
    found, tests = reading(condition.measure, facts), condition.tests
    holds = _passes(found, tests, now)
    if not holds and not found.rises(now) and all(test.op in _AT_LEAST for test in tests):
        return Outcome(False, None)
    for asked, turn in enumerate(found.turns(now, tests)):
        if asked == PATIENCE or _passes(found, tests, turn) != holds:
            return Outcome(holds, turn)
    return Outcome(holds, None)


def _passes(found: Reading, tests: tuple[Test, ...], at: Instant) -> bool:
    for value in found.values(at):  # noqa: SIM110 - a loop is twice as fast as any() here
        if satisfies(value, tests):
            return True
    return False


def _trait(condition: Trait, facts: Facts, now: Instant) -> Outcome:
    value = facts.trait(condition.name)
    if condition.reads:
        value = READINGS[condition.reads](value)
    relative = [test for test in condition.tests if isinstance(test.value, Relative)]
    if not relative:
        return Outcome(satisfies(value, condition.tests), None)

    def passes(at: Instant) -> bool:
        return satisfies(value, tuple(_at(test, at) for test in condition.tests))

    holds, when = passes(now), instant(value)
    turns = {when - test.value.offset + 1 for test in relative} if when is not None else set()
    flips = (turn for turn in sorted(turns) if turn > now and passes(turn) != holds)
    return Outcome(holds, next(flips, None))


def _at(test: Test, now: Instant) -> Test:
    """A test with a point in time from now as one at that time."""
    if isinstance(test.value, Relative):
        return Test(test.op, now + test.value.offset)
    return test


def _seen(condition: Seen, facts: Facts, now: Instant) -> Outcome:
    """By another clock it may lie ahead: the last is then right now, the first is not yet."""
    at, within = facts.seen(condition.which), condition.within
    if at is None or now >= at + within:
        return Outcome(False, None)
    if condition.which == "first" and at > now:
        return Outcome(False, at)
    return Outcome(True, at + within)


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


_TRUTH: Mapping[type[Condition], Callable[[Any, Facts, Instant], Outcome]] = {
    AllOf: _all,
    AnyOf: _any,
    Not: _not,
    Trait: _trait,
    Count: _counted,
    Measured: _measured,
    Seen: _seen,
    Allows: _allows,
    Identified: _identified,
    Inside: _inside,
}
