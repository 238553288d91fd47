"""Values against what somebody wants of them: the comparisons of the segment language."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Test(NamedTuple):
    """One comparison: `("gte", 30)`."""

    op: str
    value: Any


def lookup(values: Mapping[str, Any], name: str) -> Any:
    """A value by name, or by dotted path into nested objects; None when there is none."""
    return reach(values.get, name)


def reach(get: Callable[[str], Any], name: str) -> Any:
    """What `get` has under a whole name, else under the first part of a dotted path, and so on."""
    found = get(name)
    if found is not None or "." not in name:
        return found
    first, *parts = name.split(".")
    found = get(first)
    for part in parts:
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


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


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "ne": lambda value, wanted: not _equal(value, wanted),
    "in": lambda value, wanted: any(_equal(value, each) for each in wanted),
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "contains": _contains,
    "exists": lambda value, wanted: (value is not None) is wanted,
}
OPERATORS = tuple(_OPERATORS)


def tests_in(where: Mapping[str, Any]) -> tuple[Test, ...]:
    """The comparisons that a definition asks for: of `{"gt": 1, "lte": 9}`, two."""
    return tuple(Test(op, _frozen(where[op])) for op in OPERATORS if op in where)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
