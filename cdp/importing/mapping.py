"""From a row to calls: pure functions of a map and the row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cdp import times
from cdp.importing.values import Broken, Moment, Row, Value, instant, lookup, read, text

_MUST_BE_SAID = ("event", "groupId", "previousId")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a row makes; names are those of the tracking API."""

    type: str
    texts: Mapping[str, Value]  # userId, anonymousId, event, …
    objects: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)  # properties, traits
    timestamp: Moment | None = None
    when: Mapping[str, Sequence[str]] = field(default_factory=dict)
    once: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Map:
    """How the rows of a file become calls."""

    name: str
    calls: tuple[Call, ...]
    format: str = "csv"
    delimiter: str = ","
    encoding: str = "utf-8"
    columns: tuple[str, ...] = ()
    each: str = ""  # the list in a JSON line whose elements are the rows
    version: str = ""  # differs when the map says something else

    @property
    def has_memory(self) -> bool:
        """Whether what a row makes depends on the rows before it."""
        return any(call.once for call in self.calls)


# Each line is a call as SDKs send it.
CALLS = Map("calls", (), "jsonl")


class Planned(NamedTuple):
    """A call, its place among those of its line, and what it may be made only once for."""

    place: int
    fields: dict[str, Any]
    once: tuple[Any, ...] | None = None


class Problem(NamedTuple):
    """Why a row makes no call."""

    reason: str


def planned(map_: Map, row: Row) -> Iterator[Planned | Problem]:
    """What a line makes."""
    if not map_.calls:
        yield Planned(0, archived(row))
    elif not map_.each:
        yield from _of_row(map_, row, 0, "")
    elif not isinstance(row.get(map_.each), list):
        yield Problem(f"{map_.each} must be a list")
    else:
        yield from _of_each(map_, row)


def _of_each(map_: Map, row: Row) -> Iterator[Planned | Problem]:
    outer = {name: value for name, value in row.items() if name != map_.each}
    for number, inner in enumerate(row[map_.each]):
        where = f"{map_.each}[{number}]: "
        if isinstance(inner, dict):
            yield from _of_row(map_, outer | inner, number * len(map_.calls), where)
        else:
            yield Problem(f"{where}must be an object")


def _of_row(map_: Map, row: Row, first: int, where: str) -> Iterator[Planned | Problem]:
    for number, call in enumerate(map_.calls):
        if not all(text(lookup(row, name)) in texts for name, texts in call.when.items()):
            continue
        try:
            fields = made(call, row)
        except Broken as broken:
            yield Problem(f"{where}{broken}")
        else:
            once = (number, *(text(lookup(row, name)) for name in call.once))
            yield Planned(first + number, fields, once if call.once else None)


def made(call: Call, row: Row) -> dict[str, Any]:
    """The call that this row makes; empty cells are left out. Broken if something is missing."""
    fields: dict[str, Any] = {"type": call.type}
    for name, value in call.texts.items():
        found = read(value, row)
        if found is not None:
            fields[name] = found
        elif name in _MUST_BE_SAID:
            raise Broken(f"{value.column} is empty, and it is to be the {name}")
    if "userId" not in fields and "anonymousId" not in fields:
        asked = (call.texts.get(name) for name in ("userId", "anonymousId"))
        raise Broken(f"nobody is named: {' and '.join(v.column for v in asked if v)} is empty")
    at = instant(call.timestamp, row) if call.timestamp else None
    if at is not None:
        fields["timestamp"] = times.iso(at)
    for name, values in call.objects.items():
        inner: dict[str, Any] = {}
        for path, value in values.items():
            found = read(value, row)
            if found is None:
                continue
            if "." in path:
                _put(inner, path, found)
            else:
                inner[path] = found
        if inner:
            fields[name] = inner
    return fields


def _put(into: dict[str, Any], path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for part in outer:
        into = into.setdefault(part, {})
    into[last] = value


def used(map_: Map) -> dict[str, str]:
    """The columns a map reads, each with the field that reads it first."""
    found: dict[str, str] = {}
    for number, call in enumerate(map_.calls):
        where = f"calls[{number}]"
        moment = {"timestamp": call.timestamp.origin} if call.timestamp else {}
        for name, value in (*call.texts.items(), *moment.items()):
            found.setdefault(value.column, f"{where}.{name}")
        for name, values in call.objects.items():
            for path, value in values.items():
                found.setdefault(value.column, f"{where}.{name}.{path}")
        for column in call.when:
            found.setdefault(column, f"{where}.when")
        for column in call.once:
            found.setdefault(column, f"{where}.once")
    found.pop("", None)
    return found


def archived(call: Row) -> dict[str, Any]:
    """A call from a file, told so that its time stays what it was.

    `sentAt` corrects a client's clock against the moment of arrival; for a file that moment is
    long gone, and `timestamp` is corrected already.
    """
    kept = {name: value for name, value in call.items() if name != "sentAt"}
    if kept.get("timestamp"):
        kept.pop("originalTimestamp", None)
    return kept


def shifted(call: dict[str, Any], by: int) -> dict[str, Any]:
    """The call moved in time, by microseconds."""
    if by and "timestamp" in call:
        return call | {"timestamp": times.iso(times.parse(call["timestamp"]) + by)}
    return call
