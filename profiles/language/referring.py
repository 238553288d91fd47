"""Definitions that refer to others: what would make one that refers to itself, or to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from profiles.language.parsing import references

MOST = 1000  # conditions of a segment together with those of the segments it refers to
DEEPEST = 8  # segments that refer to segments

Wanted: TypeAlias = Mapping[tuple[str, str], Mapping[str, Any]]  # definitions, by kind and key
_CALLED = {"segment": "segment", "computed": "computed trait"}


def problem(key: str, where: Mapping[str, Any], wanted: Wanted) -> str | None:
    """What is wrong with a segment's references if this becomes its definition; None: nothing."""
    for kind, name in references(where):
        if (kind, name) not in wanted and (kind, name) != ("segment", key):
            return f"there is no {_CALLED[kind]} {name}"
    found = {name: each for (kind, name), each in wanted.items() if kind == "segment"}
    found[key] = where
    circle = _circle(key, (key,), found)
    if circle:
        return f"a segment cannot refer to itself: {' → '.join(circle)}"
    for name in sorted(found):
        depth, size = _extent(name, found)
        if depth > DEEPEST:
            return f"segment {name} would refer to segments {depth} deep; {DEEPEST} at most"
        if size > MOST:
            return f"segment {name}, with those it refers to, would have {size} conditions; " + (
                f"{MOST} at most"
            )
    return None


def _circle(
    key: str, path: tuple[str, ...], segments: Mapping[str, Mapping[str, Any]]
) -> tuple[str, ...]:
    """The way from a segment back to it; empty if there is none. The others have no circles."""
    for name in _segments(segments.get(path[-1], {})):
        if name == key:
            return (*path, key)
        found = _circle(key, (*path, name), segments)
        if found:
            return found
    return ()


def _extent(key: str, segments: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    """How deep a segment refers to others, and how many conditions it has with them."""
    sizes: dict[str, tuple[int, int]] = {}

    def of(name: str) -> tuple[int, int]:
        if name not in sizes:
            where = segments.get(name, {})
            inner = [of(each) for each in _segments(where)]
            depth = max((each[0] + 1 for each in inner), default=0)
            sizes[name] = (depth, _size(where) + sum(each[1] for each in inner))
        return sizes[name]

    return of(key)


def _segments(where: Mapping[str, Any]) -> Iterator[str]:
    return (name for kind, name in references(where) if kind == "segment")


def _size(where: Mapping[str, Any]) -> int:
    groups = [*where.get("all", ()), *where.get("any", ())]
    groups += [where["not"]] if "not" in where else []
    return 1 + sum(_size(each) for each in groups)
