"""From sums to what is told of each event: rates, broken rules, drift and anomalies. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from cdp.events import Instant
from cdp.quality.anomalies import MOST_HISTORY, Anomaly, judge
from cdp.quality.sights import HOUR
from cdp.quality.store import Broken, Found, Seen, Sum
from cdp.times import iso

Key: TypeAlias = tuple[int, str]  # source and event
_MEASURES = {
    "received": "received",
    "duplicates": "duplicate",
    "late": "late",
    "violations": "violation",
}


class Window(NamedTuple):
    """The hours that are told of: from the beginning of one to that of another, both included."""

    first: Instant
    last: Instant  # it is not over yet

    @property
    def hours(self) -> range:
        """Their beginnings."""
        return range(self.first, self.last + 1, HOUR)


def told(window: Window, found: Found) -> list[dict[str, Any]]:
    """What is told of each event that came in the window, or should have; the busiest first."""
    counts = _by_event(found.sums)
    rules, types = _grouped(found.broken), _grouped(found.seen)
    every = [
        _event(window, key, counted, rules.get(key, ()), types.get(key, ()))
        for key, counted in counts.items()
    ]
    shown = [each for each in every if each["hourly"] or each["anomalies"]]
    return sorted(shown, key=lambda each: (-each["received"], each["source"], each["event"]))


def drifted(seen: Iterable[Seen]) -> list[dict[str, Any]]:
    """Properties that have a type now which they did not have in the window before.

    A value that is missing, or null, is of no type.
    """
    before: dict[str, dict[str, int]] = defaultdict(dict)
    now: dict[str, dict[str, int]] = defaultdict(dict)
    for each in seen:
        for types, count in ((before, each.before), (now, each.now)):
            if count and each.type != "null":
                types[each.property][each.type] = count
    return [
        {"property": name, "before": before[name], "now": types}
        for name, types in sorted(now.items())
        if before.get(name) and types.keys() - before[name].keys()
    ]


def _by_event(sums: Iterable[Sum]) -> dict[Key, dict[Instant, dict[str, int]]]:
    found: dict[Key, dict[Instant, dict[str, int]]] = {}
    for each in sums:
        hours = found.setdefault((each.source, each.event), {})
        hours.setdefault(each.hour, {})[each.measure] = each.number
    return found


def _grouped(rows: Iterable[Any]) -> Mapping[Key, list[Any]]:
    found: dict[Key, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.source, row.event].append(row)
    return found


def _event(
    window: Window,
    key: Key,
    counted: Mapping[Instant, Mapping[str, int]],
    broken: Sequence[Broken],
    seen: Sequence[Seen],
) -> dict[str, Any]:
    within = [(hour, counted[hour]) for hour in sorted(counted) if hour in window.hours]
    hourly = [
        {"hour": iso(hour)} | {name: each.get(of, 0) for name, of in _MEASURES.items()}
        for hour, each in within
    ]
    whole = {name: sum(each.get(of, 0) for _, each in within) for name, of in _MEASURES.items()}
    return {
        "source": key[0],
        "event": key[1],
        "received": whole["received"],
        "duplicates": whole["duplicates"],
        "late": whole["late"],
        "late_rate": whole["late"] / whole["received"] if whole["received"] else 0.0,
        "violations": [
            {"property": each.property, "rule": each.rule, "count": each.times} for each in broken
        ],
        "types": _types(seen),
        "drift": drifted(seen),
        "anomalies": _anomalies(window, counted),
        "hourly": hourly,
    }


def _types(seen: Iterable[Seen]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for each in seen:
        if each.now:
            found.setdefault(each.property, {})[each.type] = each.now
    return found


def _anomalies(
    window: Window, counted: Mapping[Instant, Mapping[str, int]]
) -> list[dict[str, Any]]:
    """Hours without a row are hours with none, from the first one on in which there was any."""
    series = {hour: each.get("received", 0) for hour, each in counted.items()}
    first = min(series)
    found = []
    for hour in window.hours:
        begin = max(first, hour - MOST_HISTORY * HOUR)
        history = [series.get(each, 0) for each in range(begin, hour, HOUR)]
        count = series.get(hour, 0)
        anomaly = judge(count, history, over=hour < window.last)
        if anomaly is not None:
            found.append({"hour": iso(hour), "received": count, **_shown(anomaly)})
    return found


def _shown(anomaly: Anomaly) -> dict[str, Any]:
    return {
        "kind": anomaly.kind,
        "median": float(anomaly.median),
        "mad": float(anomaly.mad),
        "score": round(anomaly.score, 2),
    }
