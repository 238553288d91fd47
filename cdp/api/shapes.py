"""From an example of an answer to what it promises: one text for people and for programs.

Every field that an example shows is always there, and no other, unless a mark says otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Names(NamedTuple):
    """An object whose names are data, like traits: any name, with values like the first one's."""

    example: dict[str, Any]


class Null(NamedTuple):
    """A value that may be null."""

    example: Any


class Perhaps(NamedTuple):
    """A field that is not always there."""

    example: Any


class Free(NamedTuple):
    """Anything at all, as somebody sent it."""

    example: Any


class Component(NamedTuple):
    """What a schema among the components describes."""

    name: str
    example: Any


# What errors are told as (RFC 9457).
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_MARKS = (Names, Null, Perhaps, Free, Component)
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def plain(example: Any) -> Any:
    """The example without its marks."""
    if isinstance(example, _MARKS):
        return plain(example.example)
    if isinstance(example, dict):
        return {name: plain(each) for name, each in example.items()}
    if isinstance(example, list):
        return [plain(each) for each in example]
    return example


def shape(example: Any) -> dict[str, Any]:
    """The JSON Schema of everything that is like the example."""
    told: dict[str, Any]
    match example:
        case Free():
            told = {}
        case Component(name):
            told = {"$ref": f"#/components/schemas/{name}"}
        case Null(value):
            told = {"anyOf": [shape(value), {"type": "null"}]}
        case Perhaps(value):
            told = shape(value)
        case Names(values):
            told = {"type": "object", "additionalProperties": shape(next(iter(values.values())))}
        case dict():
            told = _object(example)
        case list():
            told = {"type": "array", "items": shape(example[0])}
        case _:
            told = {"type": _TYPES[type(example)]}
    return told


def _object(example: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: shape(each) for name, each in example.items()},
        "required": [name for name, each in example.items() if not isinstance(each, Perhaps)],
        "additionalProperties": False,
    }
