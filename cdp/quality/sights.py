"""What one request's events look like: their names, and the names and types of what they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import NoneType
from typing import Any, NamedTuple, TypeAlias, cast

from cdp.events import Event, Instant
from cdp.times import SECOND

HOUR = 3600 * SECOND
LATE = HOUR  # between when something happened and its receipt
MOST_PROPERTIES = 100  # of an event are looked at

Shape: TypeAlias = tuple[object, ...]  # a name, then those of properties, then as many types

_TRAITS = frozenset({"identify", "group"})
_TYPES: dict[object, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
    NoneType: "null",
}


class Broken(NamedTuple):
    """A rule of a tracking plan that an event broke, and what became of it."""

    event: str
    property: str
    rule: str


@dataclass(slots=True)
class Sights:
    """What one request's events add to the counts, once they are durable."""

    source: int
    received_at: Instant
    shapes: dict[Shape, int] = field(default_factory=dict)
    late: Counter[str] = field(default_factory=Counter)
    broken: Counter[Broken] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)  # of events that broke a plan

    def add(self, event: Event) -> None:
        """Look at an event; asked of every one."""
        shape = shape_of(event)
        shapes = self.shapes
        shapes[shape] = shapes.get(shape, 0) + 1
        if event.received_at - event.at > LATE:
            self.late[counted_as(event)] += 1


def counted_as(event: Event) -> str:
    """The name that an event is counted under: of a track call its own, else the call's."""
    return event.name if event.type == "track" else event.type


def shape_of(event: Event) -> Shape:
    """The event's name, the names of its properties, or traits, and their values' types."""
    told = event.traits if event.type in _TRAITS else event.properties
    if len(told) > MOST_PROPERTIES:
        told = dict(islice(told.items(), MOST_PROPERTIES))
    return (counted_as(event), *told, *map(type, told.values()))


def name_of(shape: Shape) -> str:
    """The event's name."""
    return cast("str", shape[0])


def types_of(shape: Shape) -> Iterator[tuple[str, str]]:
    """Each property with its value's JSON type."""
    count = len(shape) // 2
    properties: tuple[Any, ...] = shape[1 : 1 + count]
    for name, kind in zip(properties, shape[1 + count :], strict=True):
        yield name, _TYPES.get(kind, "string")
