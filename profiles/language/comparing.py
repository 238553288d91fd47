"""Values against what somebody wants of them: the comparisons of the segment language."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from cdp.events import Instant
from cdp.times import moment, parse_duration

_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?\s*")
_RELATIVE = re.compile(r"([0-9]{1,8}[smhdw]) ago|in ([0-9]{1,8}[smhdw])")


class Test(NamedTuple):
    """One comparison: `("gte", 30)`."""

    op: str
    value: Any


class Relative(NamedTuple):
    """A point in time so many microseconds from now; negative ones have passed."""

    offset: int


def lookup(values: Mapping[str, Any], name: str) -> Any:
    """A value by name, or by dotted path into nested objects; None when there is none."""
    return reach(values.get, name)


def reach(get: Callable[[str], Any], name: str) -> Any:
    """What `get` has under a whole name, else under the first part of a dotted path, and so on.

    Of a list of objects it is the list of what each of them has there.
    """
    found = get(name)
    if found is not None or "." not in name:
        return found
    first, *parts = name.split(".")
    return _into(get(first), parts)


def _into(found: Any, parts: list[str]) -> Any:
    for number, part in enumerate(parts):
        if isinstance(found, list):
            each = [_into(one, parts[number:]) for one in found if isinstance(one, Mapping)]
            return [one for one in each if one is not None] or None
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def number(value: Any) -> int | float | None:
    """A number, or a text that is one; None of anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def text(value: Any) -> str | None:
    """A text, or a number, true or false as JSON writes it; None of anything else."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, int | float) else None


def instant(value: Any) -> Instant | None:
    """A date and time as events carry it, ISO 8601 or since 1970; None of anything else."""
    try:
        return moment(value)
    except ValueError:
        return None


# What a value is read as before it is compared: the `as` of a definition.
READINGS: dict[str, Callable[[Any], Any]] = {
    "": lambda value: value,
    "number": number,
    "text": text,
}


def point(written: str) -> Instant | Relative:
    """`2026-01-31`, `30d ago` or `in 7d`; ValueError says what would be right."""
    found = _RELATIVE.fullmatch(written)
    if found is None:
        return moment(written)
    return Relative(-parse_duration(found[1]) if found[1] else parse_duration(found[2]))


def satisfies(value: Any, tests: tuple[Test, ...]) -> bool:
    """Whether a value passes every test. A missing value is only `ne` something or `exists: false`.

    Values of different kinds are never equal and never ordered: 1 is not "1" and not true.
    """
    for op, wanted in tests:  # noqa: SIM110 - a loop is twice as fast as all() here
        if not _OPERATORS[op](value, wanted):
            return False
    return True


def _equal(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, wanted: Any) -> bool:
        if type(value) is int and type(wanted) is int:  # mostly so, and soonest told
            return compare(value, wanted)
        if isinstance(value, bool) or isinstance(wanted, bool):
            return False
        numbers = isinstance(value, int | float) and isinstance(wanted, int | float)
        texts = isinstance(value, str) and isinstance(wanted, str)
        return (numbers or texts) and compare(value, wanted)

    return test


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, list) and any(_equal(each, wanted) for each in value)


def _texts(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, wanted: Any) -> bool:
        return isinstance(value, str) and isinstance(wanted, str) and compare(value, wanted)

    return test


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "ne": lambda value, wanted: not _equal(value, wanted),
    "in": lambda value, wanted: any(_equal(value, each) for each in wanted),
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "contains": _contains,
    "starts_with": _texts(str.startswith),
    "ends_with": _texts(str.endswith),
    "before": lambda value, wanted: (at := instant(value)) is not None and at < wanted,
    "after": lambda value, wanted: (at := instant(value)) is not None and at >= wanted,
    "exists": lambda value, wanted: (value is not None) is wanted,
}
OPERATORS = tuple(_OPERATORS)
TIMES = frozenset({"before", "after"})


def tests_in(where: Mapping[str, Any]) -> tuple[Test, ...]:
    """The comparisons that a definition asks for: of `{"gt": 1, "lte": 9}`, two."""
    return tuple(Test(op, _frozen(op, where[op])) for op in OPERATORS if op in where)


def _frozen(op: str, value: Any) -> Any:
    if op in TIMES:
        return point(value)
    return tuple(value) if isinstance(value, list) else value
