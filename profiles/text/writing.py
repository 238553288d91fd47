"""From the tree to one line, which `reading` reads as the same tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from profiles.comparing import OPERATORS
from profiles.text.reading import SYMBOLS

_SYMBOL_OF = {op: symbol for symbol, op in SYMBOLS.items()}
_PATH = re.compile(r"[^\W\d][\w-]*(?:\.[\w-]+)*")
_ONCE = {"gte": 1}


def text(where: Mapping[str, Any]) -> str:
    """A condition that was checked, as one line."""
    return _any(normal(where))


def normal(where: Mapping[str, Any]) -> dict[str, Any]:
    """The same condition as its text gives it: without what says nothing."""
    for kind in ("all", "any"):
        if kind in where:
            inner = [normal(each) for each in where[kind]]
            return inner[0] if len(inner) == 1 else {kind: inner}
    if "not" in where:
        return {"not": normal(where["not"])}
    if "trait" in where:
        return {"trait": where["trait"], **_tests(where)}
    if "event" not in where:
        return dict(where)
    found: dict[str, Any] = {"event": where["event"]}
    filters = where.get("where")
    if filters:
        found["where"] = [{"property": each["property"], **_tests(each)} for each in filters]
    found["count"] = _tests(where.get("count", _ONCE))
    if "within" in where:
        found["within"] = where["within"]
    return found


def _tests(where: Mapping[str, Any]) -> dict[str, Any]:
    return {op: where[op] for op in OPERATORS if op in where}


def _any(where: Mapping[str, Any]) -> str:
    if "any" not in where:
        return _all(where)
    return " or ".join(_single(each) if "any" in each else _all(each) for each in where["any"])


def _all(where: Mapping[str, Any]) -> str:
    if "all" not in where:
        return _single(where)
    return " and ".join(_single(each) for each in where["all"])


def _single(where: Mapping[str, Any]) -> str:
    if "any" in where or "all" in where:
        return f"({_any(where)})"
    if "not" in where:
        return f"not {_single(where['not'])}"
    if "trait" in where:
        return f"trait.{_name(where['trait'])} {_compared(where)}"
    if "seen" in where:
        return f"{where['seen']}_seen within {where['within']}"
    if "consent" in where:
        return f"consent.{_name(where['consent'])}"
    filters = [f"{_name(each['property'])} {_compared(each)}" for each in where.get("where", ())]
    inside = _value(where["event"]) + (f" where {' and '.join(filters)}" if filters else "")
    within = f", {where['within']}" if "within" in where else ""
    return f"count({inside}{within}) {_compared(where['count'])}"


def _compared(where: Mapping[str, Any]) -> str:
    said = [_test(op, where[op]) for op in OPERATORS if op in where]
    return said[0] if len(said) == 1 else f"is ({' and '.join(said)})"


def _test(op: str, value: Any) -> str:
    if op == "exists":
        return "exists" if value else "missing"
    if op == "in":
        return f"in ({', '.join(_value(each) for each in value)})"
    if op == "contains":
        return f"contains {_value(value)}"
    return f"{_SYMBOL_OF[op]} {_value(value)}"


def _name(name: str) -> str:
    return name if _PATH.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return msgspec.json.encode(value).decode()
