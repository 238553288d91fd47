"""What conditions are evaluated on: a person's fragments as they lie, looked into where asked.

Unifying a whole profile costs what the person amounts to; evaluating, only what is asked of them.
A purpose sees nothing of events that deny it by themselves.
"""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import merge
from types import MappingProxyType
from typing import Any, NamedTuple

from cdp.events import Instant
from profiles.fragment import ZONE, Fragment, Part, Register, Tally, Window, parts
from profiles.language import keeping
from profiles.language.comparing import reach
from profiles.language.conditions import Which
from profiles.language.counters import Counter
from profiles.language.spans import is_zone


class Somebody(NamedTuple):
    """What all purposes know of somebody: what they allow, and whose identifiers are theirs."""

    granted: Mapping[str, bool] = MappingProxyType({})
    belongs: Callable[[str, str], bool] = lambda namespace, value: True


_NOBODY = Somebody()


class Facts:
    """Several fragments, or parts of them, as one, in any order.

    `numbers` are those of the counters, by key, and of the models; `all_of` is what there is of the
    person, for what other purposes may see of it.
    """

    __slots__ = ("_all_of", "_numbers", "_others", "_parts", "_person", "_without")

    def __init__(
        self,
        parts: Sequence[Part],
        numbers: Mapping[str, str],
        person: Somebody = _NOBODY,
        all_of: _Whole | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self._parts = parts
        self._numbers = numbers
        self._person = person
        self._all_of = all_of
        self._without = without
        self._others: dict[frozenset[str], Facts] | None = None

    def trait(self, name: str) -> Any:
        """The latest value of a trait, by its name or by a dotted path into nested objects."""
        return reach(self._latest, name)

    def tally(self, event: str) -> Tally | None:
        """How often an event ever happened; None when it never did."""
        found = [each.events[event] for each in self._parts if event in each.events]
        if len(found) < 2:
            return found[0] if found else None
        count = sum(each.count for each in found)
        return Tally(count, min(each.first for each in found), max(each.last for each in found))

    def counts(self) -> dict[str, int]:
        """How often each event ever happened."""
        found: Counted[str] = Counted()
        for each in self._parts:
            for event, tally in each.events.items():
                found[event] += tally.count
        return dict(found)

    def window(self, counter: Counter) -> Window | None:
        """The state of a counter; None when nothing ever matched it."""
        number = self._numbers.get(counter.key)
        if number is None:
            return None
        windows = [each.windows[number] for each in self._parts if number in each.windows]
        if len(windows) < 2:
            return windows[0] if windows else None
        newest = list(merge(*(window.newest for window in windows)))[-counter.newest :]
        return Window(sum(window.count for window in windows), newest)

    def kept(self, counter: Counter) -> keeping.State:
        """The state of a counter that keeps more than instants; None when nothing matched it."""
        number = self._numbers.get(counter.key)
        if number is None:
            return None
        states = [each.kept[number] for each in self._parts if number in each.kept]
        if len(states) < 2:
            return states[0] if states else None
        return keeping.merged(counter, states)

    def seen(self, which: Which) -> Instant | None:
        """When they did the first or the last of all they did."""
        tallies = (tally for each in self._parts for tally in each.events.values())
        if which == "first":
            return min((tally.first for tally in tallies), default=None)
        return max((tally.last for tally in tallies), default=None)

    def allows(self, purpose: str) -> bool:
        """Whether they allow a purpose now."""
        return self._person.granted.get(purpose, False)

    def identifiers(self, namespace: str) -> list[str]:
        """Their identifiers of a namespace, in order."""
        values = {value for each in self._parts for value in each.identifiers.get(namespace, ())}
        return sorted(value for value in values if self._person.belongs(namespace, value))

    def zone(self) -> str:
        """The time zone that their traits say, else the one their devices told last; or empty."""
        said = self.trait(ZONE)
        if is_zone(said):
            return str(said)
        told = _latest((each.zones for each in self._parts), ZONE)
        return str(told) if told else ""

    def hours(self) -> dict[int, int]:
        """How often they did something in each hour of the week, in UTC; see `spans.utc_hour`."""
        found: Counted[int] = Counted()
        for each in self._parts:
            for hour, times in each.hours.items():
                found[int(hour)] += times
        return dict(found)

    def prediction(self, model: str) -> Mapping[str, Any] | None:
        """What a model said of them last, and when, if they allow the model's purpose."""
        number = self._numbers.get(numbered(model))
        if number is None:
            return None
        whole = (each.predictions for each in self._parts if isinstance(each, Fragment))
        said = _latest(whole, number)
        if said is None or said["model"] != model:  # another one had that number
            return None
        return said if self.allows(said["purpose"]) else None

    def also(self, purpose: str) -> Facts:
        """What another purpose may see of this."""
        if self._all_of is None:
            return self
        without = self._all_of.hidden(self._without, purpose)
        if without == self._without:
            return self
        others = self._others = self._others or {}
        if without not in others:
            others[without] = self._all_of.facts(without)
        return others[without]

    def _latest(self, name: str) -> Any:
        if len(self._parts) == 1:
            only = self._parts[0].traits.get(name)
            return only[2] if only else None
        return _latest((each.traits for each in self._parts), name)


def numbered(model: str) -> str:
    """Under what the number of a model is among those of the counters, whose keys are JSON."""
    return f"model {model}"


def _latest(registers: Iterable[Mapping[str, Register]], name: str) -> Any:
    best: Register | None = None
    for each in registers:
        known = each.get(name)
        if known is not None and (best is None or best[:2] < known[:2]):
            best = known
    return best[2] if best else None


class _Whole:
    """All there is of a person. It knows no Facts that are made of it, and so makes no cycle.

    Cycles are left to the garbage collector: a dozen objects an event, for which it stood still for
    most of a second every few seconds.
    """

    __slots__ = ("_fragments", "_numbers", "_person", "_signals")

    def __init__(
        self,
        fragments: Sequence[Fragment],
        numbers: Mapping[str, str],
        signals: Mapping[str, frozenset[str]],
        person: Somebody,
    ) -> None:
        self._fragments = fragments
        self._numbers = numbers
        # Signals that stamps may deny: none where no event of theirs denies any.
        self._signals = signals if any(each.stamped for each in fragments) else {}
        self._person = person

    def hidden(self, without: frozenset[str], purpose: str) -> frozenset[str]:
        """The signals that a purpose sees nothing of, of what is there without these."""
        return without | self._signals.get(purpose, _NONE)

    def facts(self, without: frozenset[str]) -> Facts:
        """What is there without what denies these signals."""
        seen = [part for each in self._fragments for part in parts(each, without)]
        return Facts(seen, self._numbers, self._person, self, without)


class Sight:
    """One person as each purpose may see them; `signals` are what means it."""

    __slots__ = ("_seen", "_whole")

    def __init__(
        self,
        fragments: Sequence[Fragment],
        numbers: Mapping[str, str],
        signals: Mapping[str, frozenset[str]],
        person: Somebody = _NOBODY,
    ) -> None:
        self._whole = _Whole(fragments, numbers, signals, person)
        self._seen: dict[frozenset[str], Facts] = {}

    def __call__(self, purpose: str) -> Facts:
        """What conditions of segments for this purpose are evaluated on."""
        without = self._whole.hidden(_NONE, purpose)
        facts = self._seen.get(without)
        if facts is None:
            facts = self._seen[without] = self._whole.facts(without)
        return facts


_NONE: frozenset[str] = frozenset()
