"""Finds maps, by the name of a shipped one or by path, and reads them."""

from __future__ import annotations

import hashlib
import tomllib
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cdp.errors import ConfigurationError, Invalid
from cdp.forms import load
from cdp.importing.form import MapForm
from cdp.importing.mapping import Call, Map
from cdp.importing.values import Moment, Value

SHIPPED = Path(__file__).parent.parent / "maps"

_TEXTS = {
    "event": "event",
    "name": "name",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "group_id": "groupId",
    "previous_id": "previousId",
}
_OBJECTS = ("properties", "traits", "context")


def shipped() -> list[str]:
    """The names of the maps that come with the platform."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def find(name: str) -> Map:
    """The map of this name or at this path; ConfigurationError says what is wrong with it."""
    if name in shipped():
        return read(SHIPPED / f"{name}.toml")
    path = Path(name)
    if path.is_file():
        return read(path)
    raise ConfigurationError(
        f"there is no map {name}; shipped are {', '.join(shipped())}, or give the path of your own"
    )


def read(path: Path) -> Map:
    """The map in a file."""
    try:
        text = path.read_text("utf-8")
        written = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: this is not TOML: {error}") from None
    try:
        loaded, _ = load(MapForm(), msgspec.json.encode(written))
    except Invalid as error:
        raise ConfigurationError(f"{path}: {error.detail}") from None
    return _map(path.stem, hashlib.sha256(text.encode()).hexdigest(), loaded)


def _map(name: str, version: str, loaded: Mapping[str, Any]) -> Map:
    return Map(
        name=name,
        version=version,
        calls=tuple(_call(loaded, call) for call in loaded["calls"]),
        format=loaded["format"],
        delimiter=loaded["delimiter"],
        encoding=loaded["encoding"],
        columns=tuple(loaded.get("columns", ())),
        each=loaded.get("each", ""),
    )


def _call(shared: Mapping[str, Any], own: Mapping[str, Any]) -> Call:
    """A call's own word goes before what the map says for all of them."""
    said = {**{name: shared[name] for name in (*_TEXTS, "timestamp") if name in shared}, **own}
    objects = {name: {**shared.get(name, {}), **own.get(name, {})} for name in _OBJECTS}
    return Call(
        type=own["type"],
        texts={sent: _value(said[name]) for name, sent in _TEXTS.items() if name in said},
        objects={
            name: {path: _value(value) for path, value in values.items()}
            for name, values in objects.items()
            if values
        },
        timestamp=_moment(said["timestamp"]) if "timestamp" in said else None,
        when=own.get("when", {}),
        once=own.get("once", ()),
    )


def _value(loaded: Mapping[str, Any]) -> Value:
    return Value(
        column=loaded.get("column", ""),
        constant=loaded.get("value"),
        values=loaded.get("values"),
        kind=loaded.get("as", ""),
        prefix=loaded.get("prefix", ""),
    )


def _moment(loaded: Mapping[str, Any]) -> Moment:
    zone = zoneinfo.ZoneInfo(loaded.get("zone", "UTC"))
    return Moment(_value(loaded), loaded.get("format", "iso"), zone)
