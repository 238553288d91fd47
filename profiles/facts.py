"""What conditions are evaluated on: a person's fragments as they lie, looked into where asked.

Unifying a whole profile costs what the person amounts to; evaluating, only what is asked of them.
A purpose sees nothing of events that deny it by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import merge
from types import MappingProxyType
from typing import Any

from cdp.events import Instant
from profiles.comparing import reach
from profiles.conditions import Counter, Which
from profiles.fragment import Fragment, Part, Register, Window, parts


class Facts:
    """Several fragments, or parts of them, as one, in any order.

    `numbers` are those of the counters, by key; `granted` says which purposes the person allows.
    """

    __slots__ = ("_granted", "_numbers", "_parts")

    def __init__(
        self,
        parts: Sequence[Part],
        numbers: Mapping[str, str],
        granted: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        self._parts = parts
        self._numbers = numbers
        self._granted = granted

    def trait(self, name: str) -> Any:
        """The latest value of a trait, by its name or by a dotted path into nested objects."""
        return reach(self._latest, name)

    def occurrences(self, event: str) -> int:
        """How often an event ever happened."""
        tallies = [each.events[event] for each in self._parts if event in each.events]
        return sum(tally.count for tally in tallies)

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

    def seen(self, which: Which) -> Instant | None:
        """When they did the first or the last of all they did."""
        tallies = (tally for each in self._parts for tally in each.events.values())
        if which == "first":
            return min((tally.first for tally in tallies), default=None)
        return max((tally.last for tally in tallies), default=None)

    def allows(self, purpose: str) -> bool:
        """Whether they allow a purpose now."""
        return self._granted.get(purpose, False)

    def _latest(self, name: str) -> Any:
        best: Register | None = None
        for each in self._parts:
            known = each.traits.get(name)
            if known is not None and (best is None or best[:2] < known[:2]):
                best = known
        return best[2] if best else None


class Sight:
    """One person as each purpose may see them; `signals` are what means it."""

    __slots__ = ("_fragments", "_granted", "_numbers", "_seen", "_signals")

    def __init__(
        self,
        fragments: Sequence[Fragment],
        numbers: Mapping[str, str],
        signals: Mapping[str, frozenset[str]],
        granted: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        self._fragments = fragments
        self._numbers = numbers
        self._signals = signals
        self._granted = granted
        self._seen: dict[frozenset[str], Facts] = {}

    def __call__(self, purpose: str) -> Facts:
        """What conditions of segments for this purpose are evaluated on."""
        without = self._without(purpose)
        facts = self._seen.get(without)
        if facts is None:
            seen = [part for each in self._fragments for part in parts(each, without)]
            facts = self._seen[without] = Facts(seen, self._numbers, self._granted)
        return facts

    def _without(self, purpose: str) -> frozenset[str]:
        """Signals that stamps may deny; none where no event of theirs denies any."""
        if any(each.stamped for each in self._fragments):
            return self._signals.get(purpose, _NONE)
        return _NONE


_NONE: frozenset[str] = frozenset()
