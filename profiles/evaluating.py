"""The truth of a condition about somebody at an instant, and until when time alone leaves it so.

A timer re-evaluates at exactly that instant. A window of length w contains an event from its
instant t up to, and not including, t + w.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cdp.events import Instant
from profiles.comparing import Test, satisfies
from profiles.conditions import (
    AllOf,
    Allows,
    AnyOf,
    Condition,
    Count,
    Facts,
    Not,
    Seen,
    Trait,
    Which,
)


class Outcome(NamedTuple):
    """The truth at an instant, and the next instant at which time alone could change it."""

    holds: bool
    until: Instant | None


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
        case Count():
            return _counted(condition, facts, now)
        case Seen(which, within):
            return _seen(facts.seen(which), which, within, now)
        case Trait(name, tests):
            holds = satisfies(facts.trait(name), tests)
        case Allows(purpose):
            holds = facts.allows(purpose)
    return Outcome(holds, None)


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


def _seen(at: Instant | None, which: Which, within: int, now: Instant) -> Outcome:
    """By another clock it may lie ahead: the last is then right now, the first is not yet."""
    if at is None or now >= at + within:
        return Outcome(False, None)
    if which == "first" and at > now:
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
