"""Whether something is a JSON Schema that may be applied to every event of a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema_rs import ValidationError

from cdp.plans.model import validator_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_DEPTH = 32
MAX_STEPS = 10_000

_DEFS = "#/$defs/"
_ELSEWHERE = frozenset({"$id", "$dynamicRef", "$recursiveRef"})


class Unfit(Exception):
    """It is none, or may not be applied: where in it, and why."""

    def __init__(self, path: tuple[str | int, ...], reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def check(schema: Mapping[str, Any]) -> None:
    """Unfit unless it is a JSON Schema (draft 2020-12) that refers to nothing but itself."""
    for path, name, value in _members(schema):
        if len(path) > MAX_DEPTH:
            raise Unfit((), f"Must not nest deeper than {MAX_DEPTH}.")
        if not isinstance(value, str):
            continue
        if name == "$schema" and value.rstrip("#") != DIALECT:
            raise Unfit(path, f"Must be {DIALECT}.")
        if name in _ELSEWHERE:
            raise Unfit(path, f"{name} is not taken: a plan's schemas stand for themselves.")
        if name == "$ref" and value != "#" and ("%" in value or not value.startswith(_DEFS)):
            raise Unfit(path, "Must be # or #/$defs/NAME: nothing is fetched from elsewhere.")
    try:
        validator_of(schema)
    except ValidationError as error:
        raise Unfit(tuple(error.instance_path), f"Is no JSON Schema: {error.message}.") from None
    except ValueError as error:
        raise Unfit((), f"Is no JSON Schema: {error}.") from None
    if _steps(schema, schema, {}) > MAX_STEPS:
        raise Unfit((), f"Takes over {MAX_STEPS} steps when its references are followed.")


def _members(schema: Any) -> Iterator[tuple[tuple[str | int, ...], str | int, Any]]:
    """Every member of every object and list in it, with its path; the outermost first."""
    left: list[tuple[tuple[str | int, ...], Any]] = [((), schema)]
    for path, each in left:
        if isinstance(each, dict):
            members: Any = each.items()
        else:
            members = enumerate(each) if isinstance(each, list) else ()
        for name, value in members:
            yield (*path, name), name, value
            if len(path) < MAX_DEPTH:
                left.append(((*path, name), value))


def _steps(part: Any, whole: Mapping[str, Any], known: dict[str, int]) -> int:
    """How many subschemas an application visits at most, each time that one is referred to."""
    if isinstance(part, list):
        return sum(_steps(each, whole, known) for each in part)
    if not isinstance(part, dict):
        return 0
    steps = 1 + sum(_steps(each, whole, known) for name, each in part.items() if name != "$defs")
    target = part.get("$ref")
    if isinstance(target, str):
        if target not in known:
            known[target] = 0  # a circle is bounded by what an event nests
            found = whole if target == "#" else _named(whole, target)
            known[target] = min(_steps(found, whole, known), MAX_STEPS + 1)
        steps += known[target]
    return steps


def _named(whole: Any, target: str) -> Any:
    for name in target.removeprefix("#/").split("/"):
        inner = name.replace("~1", "/").replace("~0", "~")
        whole = whole.get(inner) if isinstance(whole, dict) else None
    return whole
