"""What one request's events look like: their names, and the names and types of what they carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


class Sights:
    """What one request's events add to the counts, once they are durable."""

    __slots__ = ("broken", "late", "outcomes", "received_at", "shapes", "source")

    def __init__(self, source: int, received_at: Instant) -> None:
        self.source = source
        self.received_at = received_at
        self.shapes: dict[Shape, int] = {}
        self.late: dict[str, int] = {}
        self.broken: dict[Broken, int] = {}
        self.outcomes: dict[str, int] = {}  # of events that broke a plan

    def add(self, event: Event, name: str) -> None:
        """Look at an event, counted under a name; asked of every one."""
        told = event.traits if event.type in _TRAITS else event.properties
        if len(told) > MOST_PROPERTIES:
            told = dict(islice(told.items(), MOST_PROPERTIES))
        shape = (name, *told, *map(type, told.values()))
        shapes = self.shapes
        shapes[shape] = shapes.get(shape, 0) + 1
        if event.received_at - event.at > LATE:
            self.late[name] = self.late.get(name, 0) + 1

    def note(self, outcome: str, broken: Iterable[Broken]) -> None:
        """An event broke these rules of its plan."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        for each in broken:
            self.broken[each] = self.broken.get(each, 0) + 1


def counted_as(event: Event) -> str:
    """The name that an event is counted under: of a track call its own, else the call's."""
    return event.name if event.type == "track" else event.type


def name_of(shape: Shape) -> str:
    """The event's name."""
    return cast("str", shape[0])


def types_of(shape: Shape) -> Iterator[tuple[str, str]]:
    """Each property with its value's JSON type."""
    count = len(shape) // 2
    properties: tuple[Any, ...] = shape[1 : 1 + count]
    for name, kind in zip(properties, shape[1 + count :], strict=True):
        yield name, _TYPES.get(kind, "string")
