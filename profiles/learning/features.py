"""From what is known of a person to numbers with names, which models are learned from.

Amounts are numbers that may be missing; shares tell how something is spread, and what is not named
has none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import pairwise
from typing import Any

import msgspec

from cdp.events import Instant
from cdp.times import parse_duration
from profiles.facts import Facts
from profiles.language.conditions import Measure, Value, asked
from profiles.language.counters import Counter
from profiles.language.measuring import reading
from profiles.language.parsing import TIMED, measure
from profiles.language.spans import DAY, by_local_hour

READY = ("recency", "tenure", "frequency", "events", "hours")
PAUSE = 30 * 60 * 1_000_000  # microseconds without a deed, after which another session begins
_PARTS = ("night", "morning", "afternoon", "evening")  # six hours each


class Observation(msgspec.Struct):
    """A person at an instant: amounts by name, and shares by name and value."""

    amounts: dict[str, float] = {}
    shares: dict[str, dict[str, float]] = {}


def counters(definition: Mapping[str, Any]) -> Iterator[Counter]:
    """Everything that a model's features need kept."""
    for each in definition["features"].values():
        for value in _measures(each):
            yield from asked(value)


def observe(facts: Facts, definition: Mapping[str, Any], now: Instant) -> Observation:
    """What these facts come to by a model's definition."""
    found = Observation()
    for ready in definition["ready"]:
        _READY[ready](facts, found, now)
    for name, each in definition["features"].items():
        if "sessions" in each:
            found.amounts[name] = _sessions(facts, each, now)
        else:
            _measure(found, name, (measure(each), facts), now)
    return found


def _recency(facts: Facts, found: Observation, now: Instant) -> None:
    last = facts.seen("last")
    if last is not None:
        found.amounts["recency"] = max(now - last, 0) / DAY


def _tenure(facts: Facts, found: Observation, now: Instant) -> None:
    first = facts.seen("first")
    if first is not None:
        found.amounts["tenure"] = max(now - first, 0) / DAY


def _frequency(facts: Facts, found: Observation, _: Instant) -> None:
    found.amounts["frequency"] = float(sum(facts.counts().values()))


def _events(facts: Facts, found: Observation, _: Instant) -> None:
    found.shares["events"] = _spread(facts.counts())


def _hours(facts: Facts, found: Observation, now: Instant) -> None:
    parts = dict.fromkeys(_PARTS, 0)
    for hour, times in by_local_hour(facts.hours(), facts.zone(), now).items():
        parts[_PARTS[hour // 6]] += times
    found.shares["hours"] = _spread(parts)


_READY: Mapping[str, Callable[[Facts, Observation, Instant], None]] = {
    "recency": _recency,
    "tenure": _tenure,
    "frequency": _frequency,
    "events": _events,
    "hours": _hours,
}


def _measure(found: Observation, name: str, of: tuple[Value, Facts], now: Instant) -> None:
    """Numbers are amounts, and texts have all of themselves; what came most often is spread."""
    value, facts = of
    if isinstance(value, Measure) and value.kind == "most_frequent" and value.span is None:
        assert value.counter is not None  # it looks at a property
        found.shares[name] = _spread(facts.kept(value.counter) or {}, _plain)
        return
    read = reading(value, facts).values(now)
    said = max(read, default=0) if isinstance(value, Measure) and value.same else read[0]
    if isinstance(said, bool | str):
        found.shares[name] = {str(said).lower() if isinstance(said, bool) else said: 1.0}
    elif said is not None:
        found.amounts[name] = said / DAY if value.kind in TIMED else float(said)


def _spread(
    counts: Mapping[str, int], name: Callable[[str], str] = lambda value: value
) -> dict[str, float]:
    total = sum(counts.values())
    return {name(value): times / total for value, times in counts.items() if times}


def _plain(written: str) -> str:
    """A value that is kept as its JSON."""
    said = msgspec.json.decode(written)
    return said if isinstance(said, str) else written


def _measures(feature: Mapping[str, Any]) -> Iterable[Value]:
    if "sessions" not in feature:
        return [measure(feature)]
    return [measure({"event": each, "days": {}}) for each in feature["sessions"]]


def _sessions(facts: Facts, feature: Mapping[str, Any], now: Instant) -> float:
    """As exact as what is kept: of each event the last instant in a quarter of an hour."""
    kept = [facts.kept(counter) or () for each in _measures(feature) for counter in asked(each)]
    since = now - parse_duration(feature["within"]) if "within" in feature else 0
    return float(_begun([at for at in merge(*kept) if at > since]))


def _begun(instants: Sequence[Instant]) -> int:
    """How many come after a pause, the first of all among them."""
    pauses = sum(after - before >= PAUSE for before, after in pairwise(instants))
    return bool(instants) + pauses
