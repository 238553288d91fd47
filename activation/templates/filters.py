"""Filters and tests of templates, and the budget that filters and loops take from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from jinja2.exceptions import SecurityError
from markupsafe import Markup, escape

MAX_SOURCE = 100_000  # characters of a template, and of any text that one makes on its way
MAX_TURNS = 10_000  # of all loops of one rendering
MAX_STEPS = 300_000  # what their bodies are made of, each time, and hundreds of characters filtered
FILTERS = frozenset(
    [
        "abs",
        "capitalize",
        "d",
        "default",
        "e",
        "escape",
        "first",
        "float",
        "int",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "max",
        "min",
        "reverse",
        "round",
        "sort",
        "striptags",
        "sum",
        "title",
        "trim",
        "truncate",
        "unique",
        "upper",
        "urlencode",
    ]
)
TESTS = frozenset(
    [
        "defined",
        "undefined",
        "none",
        "number",
        "string",
        "boolean",
        "true",
        "false",
        "odd",
        "even",
        "divisibleby",
        "in",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "iterable",
        "mapping",
        "sequence",
    ]
)
_turns: ContextVar[int] = ContextVar("turns")
_steps: ContextVar[int] = ContextVar("steps")


@contextmanager
def budget() -> Iterator[None]:
    """For one rendering."""
    turns, steps = _turns.set(0), _steps.set(0)
    try:
        yield
    finally:
        _turns.reset(turns)
        _steps.reset(steps)


def limited(theirs: Mapping[str, Callable[..., Any]], *, html: bool) -> dict[str, Any]:
    """The filters that there are, of Jinja's or our own."""
    filters = {name: theirs[name] for name in FILTERS}
    filters |= {"join": _join_html if html else _join, "round": _round}
    return {name: _costing(work) for name, work in filters.items()}


def _step(steps: int) -> None:
    taken = _steps.get(0) + steps
    if taken > MAX_STEPS:
        raise SecurityError("it takes too many steps: its loops do too much")
    _steps.set(taken)


def _costing(work: Callable[..., Any]) -> Callable[..., Any]:
    """A filter, which takes more steps of a longer text."""

    @wraps(work)
    def costing(*told: Any, **named: Any) -> Any:
        sizes = (len(each) for each in (*told, *named.values()) if isinstance(each, str | list))
        _step(1 + sum(sizes) // 100)
        return work(*told, **named)

    return costing


def _round(value: Any, digits: int = 0) -> float:
    return round(float(value), max(-15, min(15, int(digits))))


def bounded(values: Any, steps: int = 1) -> Iterator[Any]:
    """The values of a loop, of which there may be so many in all."""
    for each in values:
        _step(steps)
        turned = _turns.get(0) + 1
        if turned > MAX_TURNS:
            raise SecurityError(f"its loops turn more than {MAX_TURNS:,} times")
        _turns.set(turned)
        yield each


def _join(values: Iterable[Any], between: str = "") -> str:
    texts = [str(each) for each in bounded(values)]
    if sum(map(len, texts)) + len(between) * len(texts) > MAX_SOURCE:
        raise SecurityError("a text is too long")
    return between.join(texts)


def _join_html(values: Iterable[Any], between: str = "") -> Markup:
    return Markup(_join((escape(each) for each in values), escape(between)))  # noqa: S704
