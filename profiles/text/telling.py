"""The tree as an English sentence, for those who read segments and did not write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from profiles.comparing import OPERATORS
from profiles.text.writing import normal

_SAID = {
    "gt": "greater than",
    "gte": "at least",
    "lt": "less than",
    "lte": "at most",
}
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_TIMES = {
    "eq": "exactly {}",
    "ne": "any number of times but {}",
    "gt": "more than {}",
    "gte": "at least {}",
    "lt": "less than {}",
    "lte": "at most {}",
}
_NEVER: tuple[dict[str, Any], ...] = ({"eq": 0}, {"lt": 1}, {"lte": 0})


def sentence(where: Mapping[str, Any]) -> str:
    """Of a condition that was checked: `People whose country is “DE”, and who did “Viewed”.`"""
    return f"People {_clause(normal(where))}."


def _clause(where: Mapping[str, Any]) -> str:
    for kind, word in (("all", "and"), ("any", "or")):
        if kind in where:
            parts = [_part(each) for each in where[kind]]
            return f", {word} ".join(parts)
    if "not" in where:
        return _negated(where["not"])
    if "trait" in where:
        return f"whose {where['trait']} {_tests(where)}"
    return f"who {_who(where)}"


def _who(where: Mapping[str, Any], negated: str = "") -> str:
    if "seen" in where:
        return f"were {negated}{where['seen']} seen in the last {_duration(where['within'])}"
    if "consent" in where:
        return f"{'do ' if negated else ''}{negated}allow {where['consent']}"
    return _done(where)


def _part(where: Mapping[str, Any]) -> str:
    return f"({_clause(where)})" if "all" in where or "any" in where else _clause(where)


def _negated(inner: Mapping[str, Any]) -> str:
    if "event" in inner and inner["count"] == {"gte": 1}:
        return f"who {_done({**inner, 'count': {'eq': 0}})}"
    if "seen" in inner or "consent" in inner:
        return f"who {_who(inner, 'not ')}"
    return f"but not those {_part(inner)}"


def _done(where: Mapping[str, Any]) -> str:
    what = f"“{where['event']}”" + _filters(where.get("where", ()))
    since = f" in the last {_duration(where['within'])}" if "within" in where else ""
    count = where["count"]
    if count in _NEVER:
        return f"did not do {what}{since}" if since else f"never did {what}"
    if count == {"gte": 1}:
        return f"did {what}{since}"
    times = " and ".join(_TIMES[op].format(_number(count[op])) for op in OPERATORS if op in count)
    return f"did {what} {times}{since}"


def _filters(filters: Sequence[Mapping[str, Any]]) -> str:
    if not filters:
        return ""
    said = " and ".join(f"{each['property']} {_tests(each)}" for each in filters)
    return f" (where {said})"


def _tests(where: Mapping[str, Any]) -> str:
    return " and ".join(_test(op, where[op]) for op in OPERATORS if op in where)


def _test(op: str, value: Any) -> str:
    if op == "exists":
        return "is known" if value else "is not known"
    if op == "contains":
        return f"contains {_value(value)}"
    if op == "in":
        *most, last = [_value(each) for each in value]
        return f"is {', '.join(most)} or {last}" if most else f"is {last}"
    if op in _SAID:
        return f"is {_SAID[op]} {_value(value)}"
    return f"is {'not ' if op == 'ne' else ''}{_value(value)}"


def _value(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else msgspec.json.encode(value).decode()


def _number(times: int) -> str:
    return {1: "once", 2: "twice"}.get(times, f"{times} times")


def _duration(written: str) -> str:
    number, unit = int(written[:-1]), _UNITS[written[-1]]
    return unit if number == 1 else f"{number} {unit}s"
