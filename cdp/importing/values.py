"""From a cell to a value: pure functions of a map's word on it and the row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias

from cdp import times

Row: TypeAlias = Mapping[str, Any]

_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_UNITS = {"unix": times.SECOND, "unix_ms": times.SECOND // 1000}


class Broken(ValueError):
    """The row does not fit the map; says which column and why."""


@dataclass(frozen=True, slots=True)
class Value:
    """Where a value comes from: a column, or a constant."""

    column: str = ""
    constant: Any = None
    values: Mapping[str, Any] | None = None
    kind: str = ""  # empty: as it stands
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a time comes from, and how it is written."""

    origin: Value
    format: str = "iso"
    zone: tzinfo = UTC


def read(value: Value, row: Row) -> Any:
    """A value as it is sent; None for an empty cell. Broken if it is not of its kind."""
    if not value.column:
        return value.constant
    raw = row.get(value.column)
    if raw is None:
        raw = lookup(row, value.column)
    if raw is None or raw == "":
        return None
    if value.values is not None:
        said = text(raw)
        if said not in value.values:
            known = ", ".join(list(value.values)[:10])
            raise Broken(f"{value.column} is {said!r}; the map knows {known}")
        raw = value.values[said]
    if value.kind:
        try:
            raw = _KINDS[value.kind](raw)
        except ValueError as error:
            raise Broken(f"{value.column} is {text(raw)!r}, which is {error}") from None
    return value.prefix + text(raw) if value.prefix else raw


def instant(moment: Moment, row: Row) -> int | None:
    """Microseconds since 1970; None for an empty cell."""
    raw = read(moment.origin, row)
    if raw is None:
        return None
    try:
        if moment.format in _UNITS:
            at = round(_number(raw) * _UNITS[moment.format])
        else:
            at = times.from_datetime(_datetime(moment, text(raw)))
        times.to_datetime(at)
    except (ValueError, OverflowError):
        column = moment.origin.column or "timestamp"
        told = f"{column} is {text(raw)!r}, which is no time in the format {moment.format}"
        raise Broken(told) from None
    return at


def _datetime(moment: Moment, said: str) -> datetime:
    if moment.format == "iso":
        found = datetime.fromisoformat(said.strip())
    else:
        found = datetime.strptime(said.strip(), moment.format)
    return found if found.tzinfo else found.replace(tzinfo=moment.zone)


def lookup(row: Row, name: str) -> Any:
    """What stands in a column, or at a dotted path into nested objects."""
    if name in row or "." not in name:
        return row.get(name)
    found: Any = row
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def text(raw: Any) -> str:
    """As it would stand in a CSV file."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return "" if raw is None else str(raw)


def _number(raw: Any) -> float:
    said = text(raw)
    try:
        number = int(said) if said.isdecimal() else float(said)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in said:  # Python would take 1_000
        raise ValueError("no number")
    return number


def _integer(raw: Any) -> int:
    number = _number(raw)
    if number != int(number):
        raise ValueError("no whole number")
    return int(number)


def _boolean(raw: Any) -> bool:
    truth = _TRUTHS.get(text(raw).strip().lower())
    if truth is None:
        raise ValueError("neither true nor false")
    return truth


_KINDS: dict[str, Callable[[Any], Any]] = {
    "text": text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
}
