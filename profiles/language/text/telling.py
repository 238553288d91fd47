"""The tree as an English sentence, for those who read segments and did not write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from profiles.language.comparing import OPERATORS, TIMES
from profiles.language.parsing import MEASURES
from profiles.language.text.writing import normal

_SAID = {
    "gt": "greater than",
    "gte": "at least",
    "lt": "less than",
    "lte": "at most",
}
_WORDED = {"contains": "contains", "starts_with": "begins with", "ends_with": "ends with"}
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
_AGO = {"since_first": "did {} for the first time", "since_last": "did {} for the last time"}
_VALUE = {
    "sum": "total {}",
    "average": "average {}",
    "min": "least {}",
    "max": "greatest {}",
    "distinct": "number of different {}",
    "first": "first {}",
    "last": "latest {}",
    "most_frequent": "most frequent {}",
}


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
    for kind in ("trait", "computed", "identifier"):
        if kind in where:
            read = f" (read as {where['as']})" if "as" in where else ""
            return f"whose {where[kind]}{read} {_tests(where) or 'is known'}"
    return f"who {_who(where)}"


def _who(where: Mapping[str, Any], negated: str = "") -> str:
    if "seen" in where:
        return f"were {negated}{where['seen']} seen in the last {_duration(where['within'])}"
    if "consent" in where:
        return f"{'do ' if negated else ''}{negated}allow {where['consent']}"
    if "segment" in where:
        return f"are {negated}in the segment {where['segment']}"
    return _done(where)


def _part(where: Mapping[str, Any]) -> str:
    return f"({_clause(where)})" if "all" in where or "any" in where else _clause(where)


def _negated(inner: Mapping[str, Any]) -> str:
    if inner.get("count") == {"gte": 1} and "event" in inner and "same" not in inner:
        return f"who {_done({**inner, 'count': {'eq': 0}})}"
    if "seen" in inner or "consent" in inner or "segment" in inner:
        return f"who {_who(inner, 'not ')}"
    return f"but not those {_part(inner)}"


def _done(where: Mapping[str, Any]) -> str:
    if "sequence" in where:
        return _counted(_sequence(where["sequence"]), where)
    what = _event(where["event"], where)
    kind = next(each for each in MEASURES if each in where)
    if kind == "count":
        return _counted(what, where)
    if kind == "days":
        days = " and ".join(
            _TIMES[op].format(f"{count} day{'s' * (count != 1)}")
            for op, count in where["days"].items()
        )
        return f"did {what} on {days}{_since(where)}"
    if kind in _AGO:
        told = " and ".join(
            f"{_SAID.get(op, {'eq': 'exactly', 'ne': 'not'}.get(op, op))} {_duration(long)} ago"
            for op, long in where[kind].items()
        )
        return f"{_AGO[kind].format(what)} {told}"
    of = _VALUE[kind].format(where[kind]["of"])
    return f"did {what} with a {of} that {_tests(where[kind])}{_since(where)}"


def _counted(what: str, where: Mapping[str, Any]) -> str:
    same = f" with the same {where['same']}" if "same" in where else ""
    since, count = _since(where), where["count"]
    if count in _NEVER and not same:
        return f"did not do {what}{since}" if since else f"never did {what}"
    if count == {"gte": 1}:
        return f"did {what}{same}{since}"
    times = " and ".join(_TIMES[op].format(_number(count[op])) for op in OPERATORS if op in count)
    return f"did {what}{same} {times}{since}"


def _sequence(steps: Sequence[Mapping[str, Any]]) -> str:
    return ", then ".join(_step(each) for each in steps)


def _step(step: Mapping[str, Any]) -> str:
    if "no" in step:
        return f"no {_event(step['no'], step)} for {_duration(step['for'])}"
    said = _event(step["event"], step)
    if "after" in step:
        said += f" after {_duration(step['after'])} or more"
    if "within" in step:
        said += f" within {_duration(step['within'], one='1 ')}"
    if "without" in step:
        others = " or ".join(_event(each["event"], each) for each in step["without"])
        said += f" without {others} in between"
    return said


def _event(name: str, where: Mapping[str, Any]) -> str:
    filters = where.get("where")
    if not filters:
        return f"“{name}”"
    return f"“{name}” (where {' and '.join(_filter(each) for each in filters)})"


def _filter(where: Mapping[str, Any]) -> str:
    for rule, word in (("all", " and "), ("any", " or ")):
        if rule in where:
            return f"({word.join(_filter(each) for each in where[rule])})"
    if "not" in where:
        return f"not {_filter(where['not'])}"
    read = f" (read as {where['as']})" if "as" in where else ""
    return f"{where['property']}{read} {_tests(where)}"


def _since(where: Mapping[str, Any]) -> str:
    if "during" in where:
        return f" {where['during']}"
    return f" in the last {_duration(where['within'])}" if "within" in where else ""


def _tests(where: Mapping[str, Any]) -> str:
    return " and ".join(_test(op, where[op]) for op in OPERATORS if op in where)


def _test(op: str, value: Any) -> str:
    if op == "exists":
        return "is known" if value else "is not known"
    if op in _WORDED:
        return f"{_WORDED[op]} {_value(value)}"
    if op in TIMES:
        relative = value.startswith("in ") or value.endswith(" ago")
        return f"is {'not before' if op == 'after' else op} {value if relative else _value(value)}"
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


def _duration(written: str, one: str = "") -> str:
    number, unit = int(written[:-1]), _UNITS[written[-1]]
    return f"{one}{unit}" if number == 1 else f"{number} {unit}s"
