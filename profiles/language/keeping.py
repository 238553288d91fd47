"""What a fragment keeps of the events that a counter matches: states that merge, in any order.

entries   the newest [instant, mark, value], as far back as the counter's horizon
numbers   the same of numbers, in millionths
sums      [how many, total, least, most] of numbers, in millionths
ends      the first and the last [instant, mark, value]
tops      how often each value came: {value: times}
quarters  the newest instant of each quarter of an hour

Each is a function of the set of events: what is let go of depends on no order. A mark is taken from
the event's id and tells events of the same instant apart. Values are kept as their JSON text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from cdp.events import Instant
from profiles.language import comparing
from profiles.language.counters import Counter

MILLION = 1_000_000
SLACK = 86_400 * MILLION  # microseconds that a state outlives its horizon: clocks differ
VALUES = 1000  # different values that `tops` counts; those first in order
LONGEST = 256  # characters of a value's JSON; a longer one is not kept
LARGEST = 10**12  # a number beyond it is not kept
_QUARTER = 15 * 60 * MILLION

State: TypeAlias = Any  # lists and dicts, as MessagePack has them
Entry: TypeAlias = list[Any]  # [instant, mark, value]


class Matched(NamedTuple):
    """An event that a counter matched; of its id, the mark."""

    at: Instant
    mark: int
    properties: Mapping[str, Any]


def mark(event: bytes) -> int:
    """Of an event's id."""
    return int.from_bytes(event[:7])


def add(counter: Counter, state: State, matched: Matched) -> State:
    """The state with an event more, changed in place; None is the state of nothing."""
    make, join = _MODES[counter.keep]
    for value in _values(counter, matched):
        single = make(matched, value)
        state = single if state is None else join(counter, state, single)
    return state


def merged(counter: Counter, states: Iterable[State]) -> State:
    """What several states are together; None of none. They stay as they are."""
    _, join = _MODES[counter.keep]
    whole: State = None
    for state in states:
        whole = _copied(state) if whole is None else join(counter, whole, state)
    return whole


def canonical(value: Any) -> str | None:
    """A text, number, true or false as its JSON, 2.0 as 2; None of anything else and of long."""
    if not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    written = msgspec.json.encode(value).decode()
    return written if len(written) <= LONGEST else None


def millionths(value: Any) -> int | None:
    """A number, or a text that is one, in millionths; None of anything else and of large ones."""
    found = comparing.number(value)
    return round(found * MILLION) if found is not None and abs(found) <= LARGEST else None


def plain(amount: int) -> int | float:
    """Millionths as people write them."""
    whole, rest = divmod(amount, MILLION)
    return amount / MILLION if rest else whole


def _values(counter: Counter, matched: Matched) -> Iterator[Any]:
    """What is kept of an event: each element, if the property is a list."""
    if not counter.of:
        yield ""
        return
    read = millionths if counter.keep in {"numbers", "sums"} else canonical
    found = comparing.lookup(matched.properties, counter.of)
    for each in found if isinstance(found, list) else (found,):
        value = read(each)
        if value is not None:
            yield value


def _copied(state: State) -> State:
    return dict(state) if isinstance(state, dict) else list(state)


def _entry(matched: Matched, value: Any) -> State:
    return [[matched.at, matched.mark, value]]


def _join_entries(counter: Counter, state: State, other: State) -> State:
    if len(other) == 1:
        insort(state, other[0])
    else:
        state.extend(other)
        state.sort()
    del state[: -counter.newest]
    if counter.horizon:
        end = state[-1][0] - counter.horizon - SLACK
        del state[: bisect_right(state, end, key=lambda entry: entry[0])]
    return state


def _sum(_: Matched, value: int) -> State:
    return [1, str(value), value, value]  # a total may need more than 64 bits


def _join_sums(_: Counter, state: State, other: State) -> State:
    state[0] += other[0]
    state[1] = str(int(state[1]) + int(other[1]))
    state[2], state[3] = min(state[2], other[2]), max(state[3], other[3])
    return state


def _end(matched: Matched, value: Any) -> State:
    entry = [matched.at, matched.mark, value]
    return [entry, entry]


def _join_ends(_: Counter, state: State, other: State) -> State:
    state[:] = min(state[0], other[0]), max(state[1], other[1])
    return state


def _top(_: Matched, value: str) -> State:
    return {value: 1}


def _join_tops(_: Counter, state: State, other: State) -> State:
    for value, times in other.items():
        state[value] = state.get(value, 0) + times
    if len(state) > VALUES:
        for value in sorted(state)[VALUES:]:
            del state[value]
    return state


def _quarter(matched: Matched, _: Any) -> State:
    return [matched.at]


def _join_quarters(counter: Counter, state: State, other: State) -> State:
    for at in other:
        begin = at - at % _QUARTER
        place = bisect_left(state, begin)
        if place < len(state) and state[place] < begin + _QUARTER:
            state[place] = max(state[place], at)
        else:
            state.insert(place, at)
    del state[: -counter.newest]
    if counter.horizon:
        del state[: bisect_right(state, state[-1] - counter.horizon - SLACK)]
    return state


_MODES: dict[
    str, tuple[Callable[[Matched, Any], State], Callable[[Counter, State, State], State]]
] = {
    "entries": (_entry, _join_entries),
    "numbers": (_entry, _join_entries),
    "sums": (_sum, _join_sums),
    "ends": (_end, _join_ends),
    "tops": (_top, _join_tops),
    "quarters": (_quarter, _join_quarters),
}
