"""The segment language told slowly: each condition read from a whole history, as its words say."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

S = 1_000_000
LONG = {"s": S, "m": 60 * S, "h": 3600 * S, "d": 86_400 * S, "w": 7 * 86_400 * S}


class Did(NamedTuple):
    """Something that somebody did."""

    number: int
    name: str
    at: int
    properties: dict[str, Any]


class Life(NamedTuple):
    """All that is known of somebody."""

    did: Sequence[Did]
    traits: dict[str, Any]
    identifiers: dict[str, list[str]]
    zone: str = ""
    allowed: frozenset[str] = frozenset()
    segments: Mapping[str, Any] = MappingProxyType({})
    computed: Mapping[str, Any] = MappingProxyType({})


def holds(where: dict[str, Any], life: Life, now: int) -> bool:
    """Whether a condition does, at an instant."""
    if "all" in where:
        return all(holds(each, life, now) for each in where["all"])
    if "any" in where:
        return any(holds(each, life, now) for each in where["any"])
    if "not" in where:
        return not holds(where["not"], life, now)
    if "trait" in where:
        return passes(life.traits.get(where["trait"]), where, now)
    if "identifier" in where:
        return any(
            passes(each, where, now) for each in life.identifiers.get(where["identifier"], ())
        )
    if "consent" in where:
        return where["consent"] in life.allowed
    if "segment" in where:
        purpose, inner = life.segments[where["segment"]]
        return purpose in life.allowed and holds(inner, life, now)
    if "computed" in where:
        value = life.computed[where["computed"]]
        return any(passes(each, where, now) for each in amounts(value, life, now))
    if "seen" in where:
        ats = [each.at for each in life.did]
        at = (min if where["seen"] == "first" else max)(ats, default=None)
        return at is not None and now - at < duration(where["within"])
    kind = kind_of(where)
    tests = where.get(kind, {"gte": 1})
    return any(passes(each, tests, now) for each in amounts(where, life, now))


def kind_of(where: dict[str, Any]) -> str:
    kinds = re.compile("count|days|since_|sum|average|min|max|distinct|first|last|most_frequent")
    return next((name for name in where if kinds.match(name)), "count")


def amounts(where: dict[str, Any], life: Life, now: int) -> list[Any]:
    """What a measure is; with `same`, of each value."""
    if "sequence" in where:
        ends = [end for end in runs(where, life) if end <= now]
        return [sum(_lies_in(where, end, now, life.zone) for end in ends)]
    kind = kind_of(where)
    found = [
        each
        for each in life.did
        if each.name == where["event"]
        and all(filtered(f, each.properties) for f in where.get("where", ()))
        and _lies_in(where, each.at, now, life.zone)
    ]
    if "same" in where:
        values = [v for each in found for v in of(each, where["same"])]
        return [values.count(each) for each in set(values)]
    return [_amount(kind, where.get(kind, {}).get("of", ""), found, life.zone, now)]


def _amount(kind: str, name: str, found: list[Did], zone: str, now: int) -> Any:
    found = sorted(found, key=lambda each: (each.at, each.number))
    if kind == "count":
        return len(found)
    if kind == "days":
        return len({local(each.at, zone).date() for each in found})
    if kind in {"since_first", "since_last"}:
        ats = [each.at for each in found]
        return now - (min(ats) if kind == "since_first" else max(ats)) if ats else None
    if kind in {"sum", "average", "min", "max"}:
        numbers = [number for each in found for number in numbers_of(each, name)]
        if kind == "sum":
            return round(sum(numbers), 6)
        if not numbers:
            return None
        return (
            sum(numbers) / len(numbers)
            if kind == "average"
            else (min if kind == "min" else max)(numbers)
        )
    values = [value for each in found for value in of(each, name)]
    if kind == "distinct":
        return len(set(values))
    if not values:
        return None
    if kind == "most_frequent":
        return plain(min(values, key=lambda each: (-values.count(each), each)))
    return plain(values[0 if kind == "first" else -1])


def of(did: Did, name: str) -> Iterator[str]:
    """The values of a property, written so that 1 is 1.0 and not true; of a list, in order."""
    value = did.properties.get(name)
    written = [
        f'"{each}"'
        if isinstance(each, str)
        else f"{each:g}"
        if not isinstance(each, bool)
        else str(each).lower()
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    ]
    return iter(sorted(written))


def plain(written: str) -> Any:
    if written.startswith('"'):
        return written[1:-1]
    return written == "true" if written in {"true", "false"} else float(written)


def numbers_of(did: Did, name: str) -> Iterator[float]:
    value = did.properties.get(name)
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, int | float) and not isinstance(each, bool):
            yield each
        elif isinstance(each, str) and re.fullmatch(r"-?\d+(\.\d+)?", each):
            yield float(each)


def filtered(where: dict[str, Any], properties: dict[str, Any]) -> bool:
    if "all" in where:
        return all(filtered(each, properties) for each in where["all"])
    if "any" in where:
        return any(filtered(each, properties) for each in where["any"])
    if "not" in where:
        return not filtered(where["not"], properties)
    return passes(properties.get(where["property"]), where, 0)


def passes(value: Any, tests: dict[str, Any], now: int) -> bool:
    if tests.get("as") == "number":
        value = next(
            numbers_of(Did(0, "", 0, {"v": value if not isinstance(value, list) else None}), "v"),
            None,
        )
    if tests.get("as") == "text" and not isinstance(value, str):
        if isinstance(value, bool):
            value = str(value).lower()
        else:  # a list is no text
            value = f"{value:g}" if isinstance(value, int | float) else None
    return all(_passes(op, value, wanted, now) for op, wanted in tests.items() if op in _OPS)


_OPS = {"eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "starts_with", "ends_with"}
_OPS |= {"before", "after", "exists"}


def _passes(op: str, value: Any, wanted: Any, now: int) -> bool:
    if (
        isinstance(wanted, str)
        and re.fullmatch(r"\d+[smhdw]", wanted)
        and op in {"eq", "ne", "gt", "gte", "lt", "lte"}
    ):
        wanted = duration(wanted)
    if op == "exists":
        return (value is not None) == wanted
    if op in {"before", "after"}:
        when = moment(value, now)
        then = moment(wanted, now)
        return when is not None and then is not None and (when < then) == (op == "before")
    if op in {"eq", "ne"}:
        return _alike(value, wanted) == (op == "eq")
    if op == "in":
        return any(_alike(value, each) for each in wanted)
    if op == "contains":
        if isinstance(value, list):
            return any(_alike(each, wanted) for each in value)
        return isinstance(value, str) and isinstance(wanted, str) and wanted in value
    if op in {"starts_with", "ends_with"}:
        pattern = f"{re.escape(wanted)}.*" if op == "starts_with" else f".*{re.escape(wanted)}"
        return isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None
    if bool in {type(value), type(wanted)} or isinstance(value, str) != isinstance(wanted, str):
        return False
    if not isinstance(value, str | int | float):
        return False
    pair: Any = (value, wanted)
    return {"gt": pair[0] > pair[1], "gte": pair[0] >= pair[1], "lt": pair[0] < pair[1]}.get(
        op, pair[0] <= pair[1]
    )


def _alike(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) and (type(value) is bool) == (type(wanted) is bool)


def moment(value: Any, now: int) -> int | None:
    """An instant, of a date or of a time from now."""
    if isinstance(value, str):
        if value.endswith(" ago"):
            return now - duration(value[:-4])
        if value.startswith("in "):
            return now + duration(value[3:])
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            return None
        return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * S)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value * S) if abs(value) < 10**11 else round(value * 1000)


def runs(where: dict[str, Any], life: Life) -> list[int]:
    """When each shortest run of a sequence ends, whatever the time; from all ways to pick one."""
    same = where.get("same")
    values = {v for each in life.did for v in of(each, same)} if same else {""}
    return [end for value in values for end in _ends(where, _alone(life.did, same, value))]


def _alone(did: Sequence[Did], same: str | None, value: str) -> list[Did]:
    return [each for each in did if not same or value in of(each, same)]


def _ends(where: dict[str, Any], did: list[Did]) -> list[int]:
    steps = [each for each in where["sequence"] if "event" in each]
    lacking = next((each for each in where["sequence"] if "no" in each), None)
    picked = [
        chain
        for chain in itertools.product(*([d for d in did if _is(step, d)] for step in steps))
        if all(_follows(a, b, s, did) for a, b, s in zip(chain, chain[1:], steps[1:], strict=False))
    ]
    spans = {(chain[0].at, chain[-1].at) for chain in picked}
    if lacking is not None:
        wait, spans = duration(lacking["for"]), set()
        for chain in picked:
            last, end = chain[-1], chain[-1].at + wait
            anew = any(last.at < other[-1].at < end for other in picked)
            came = any(
                d.number != last.number and last.at <= d.at <= end
                for d in did
                if d.name == lacking["no"] and _filtered(lacking, d)
            )
            if not anew and not came:
                spans.add((chain[0].at, end))
    return [
        b for a, b in spans if not any((a, b) != (c, d) and a <= c and d <= b for c, d in spans)
    ]


def _is(step: dict[str, Any], did: Did) -> bool:
    return bool(did.name == step["event"]) and _filtered(step, did)


def _filtered(step: dict[str, Any], did: Did) -> bool:
    return all(filtered(each, did.properties) for each in step.get("where", ()))


def _follows(one: Did, two: Did, step: dict[str, Any], did: list[Did]) -> bool:
    gap = two.at - one.at
    if one.number == two.number or gap < 0:
        return False
    if "after" in step and gap < duration(step["after"]):
        return False
    if "within" in step and gap > duration(step["within"]):
        return False
    return not any(
        d.number not in {one.number, two.number} and one.at <= d.at <= two.at and _is(other, d)
        for other in step.get("without", ())
        for d in did
    )


def duration(written: str) -> int:
    return int(written[:-1]) * LONG[written[-1]]


def local(at: int, zone: str) -> datetime:
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    return utc.astimezone(ZoneInfo(zone or "UTC"))


def _lies_in(where: dict[str, Any], at: int, now: int, zone: str) -> bool:
    if ("within" in where and "sequence" not in where) or "within" in where:
        return now - duration(where["within"]) < at <= now
    if "during" not in where:
        return True
    day, today = local(at, zone).date(), local(now, zone).date()
    return at <= now and _called(where["during"], day, today)


def _called(during: str, day: date, today: date) -> bool:
    if during in {"today", "yesterday"}:
        return (today - day).days == (during == "yesterday")
    which, unit = during.split()
    back = which == "last"
    monday = today - timedelta(today.weekday())
    if unit == "week":
        return day.isocalendar()[:2] == (monday - timedelta(7 * back)).isocalendar()[:2]
    if unit == "year":
        return day.year == today.year - back
    size = 1 if unit == "month" else 3

    def number(each: date) -> int:
        return (each.year * 12 + each.month - 1) // size

    return number(day) == number(today) - back
