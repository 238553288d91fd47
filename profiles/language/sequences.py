"""When somebody did one thing after the other, or then lacked the last.

A step follows the one before it if it is another event and no earlier, within the step's limits,
and none of what must not lie between does so. Of runs from a start to an end only the shortest
count: `cart, cart, order` is one run, from the second cart. See Mannila, Toivonen and Verkamo,
"Discovery of Frequent Episodes in Event Sequences" (1997), minimal occurrences.

What must not come is waited for from the latest event of the step before it on: the wait begins
anew when that step happens again before it is over.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from cdp.events import Instant
from profiles.language.conditions import Sequence, Step, asked
from profiles.language.counters import Counter
from profiles.language.keeping import Entry


class _Reached(NamedTuple):
    """A step that was reached, and the latest instant at which the run may have begun."""

    at: Instant
    mark: int
    begun: Instant


Entries: TypeAlias = Callable[[Counter], list[Entry]]  # in order


def completions(sequence: Sequence, kept: Entries) -> list[Instant]:
    """When each run was completed, in order; for what is lacking, also in times to come."""
    loaded = {counter.key: kept(counter) for counter in asked(sequence)}
    if not sequence.same:
        return sorted(_completed(sequence, lambda counter: loaded[counter.key]))
    apart = {key: _by_value(entries) for key, entries in loaded.items()}
    values = apart[sequence.steps[0].counter.key]
    return sorted(end for value in values for end in _completed(sequence, _of(value, apart)))


def _by_value(entries: list[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry[2], []).append(entry)
    return found


def _of(value: str, apart: Mapping[str, Mapping[str, list[Entry]]]) -> Entries:
    return lambda counter: apart[counter.key].get(value, [])


def _completed(sequence: Sequence, kept: Entries) -> Iterator[Instant]:
    first, *steps = sequence.steps
    reached = [_Reached(at, mark, at) for at, mark, _ in kept(first.counter)]
    for step in steps:
        reached = list(_advanced(reached, step, kept))
    runs: Iterable[tuple[Instant, Instant]] = ((each.at, each.begun) for each in reached)
    if sequence.lacking is not None:
        runs = _lacking(reached, kept(sequence.lacking), sequence.wait)
    return _shortest(runs)


def _advanced(reached: list[_Reached], step: Step, kept: Entries) -> Iterator[_Reached]:
    """Of what may come before, the latest is best: whatever forbids it forbids all before it."""
    instants = [each.at for each in reached]
    between = [kept(each) for each in step.without]
    for at, mark, _ in kept(step.counter):
        number = bisect_right(instants, at - step.after) - 1
        while number >= 0 and reached[number].mark == mark:
            number -= 1
        if number < 0:
            continue
        latest = instants[number]
        if step.within is not None and at - latest > step.within:
            continue
        before = [
            each
            for each in reached[bisect_left(instants, latest) : number + 1]
            if each.mark != mark and not any(_any_between(one, each, at, mark) for one in between)
        ]
        if before:
            yield _Reached(at, mark, max(each.begun for each in before))


def _any_between(entries: list[Entry], before: _Reached, at: Instant, mark: int) -> bool:
    """Whether one of them, neither of the two, is no earlier than the one and no later."""
    first = bisect_left(entries, before.at, key=_instant)
    last = bisect_right(entries, at, key=_instant)
    return any(entry[1] not in {before.mark, mark} for entry in entries[first:last])


def _lacking(
    reached: list[_Reached], entries: list[Entry], wait: int
) -> Iterator[tuple[Instant, Instant]]:
    for number, each in enumerate(reached):
        end = each.at + wait
        later = bisect_right(reached, each.at, lo=number, key=lambda one: one.at)
        if later < len(reached) and reached[later].at < end:
            continue  # the wait began anew
        if not _any_between(entries, each, end, each.mark):
            yield end, each.begun


def _shortest(runs: Iterable[tuple[Instant, Instant]]) -> Iterator[Instant]:
    """The ends of runs, given by end and begin, that have no other within them."""
    latest = -1
    best: dict[Instant, Instant] = {}
    for end, begun in runs:
        best[end] = max(begun, best.get(end, -1))
    for end in sorted(best):
        if best[end] > latest:
            latest = best[end]
            yield end


def _instant(entry: Entry) -> Instant:
    found: Instant = entry[0]
    return found
