"""Identifiers of somebody, read from fragments without reading the rest of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cdp.events import Instant, SubjectId


class _Stamped(msgspec.Struct, array_like=True, gc=False):
    """As `Stamped` begins."""

    identifiers: dict[str, dict[str, Instant]] = {}


class Identified(msgspec.Struct, array_like=True, gc=False):
    """As `Fragment` begins."""

    identifiers: dict[str, dict[str, Instant]] = {}
    traits: msgspec.Raw = msgspec.Raw()
    groups: msgspec.Raw = msgspec.Raw()
    events: msgspec.Raw = msgspec.Raw()
    windows: msgspec.Raw = msgspec.Raw()
    first_seen: Instant = 0
    last_seen: Instant = 0
    places: msgspec.Raw = msgspec.Raw()
    devices: msgspec.Raw = msgspec.Raw()
    stamped: dict[str, _Stamped] = {}


_decoder = msgspec.msgpack.Decoder(Identified)


def decode(stored: bytes) -> Identified:
    """Of a fragment's stored form."""
    return _decoder.decode(stored)


def identifiers(
    found: Sequence[Identified], mine: bytes, hashed: Callable[[str, str], SubjectId]
) -> dict[str, list[str]] | None:
    """As `profiles.model.join` has them; None if there is nothing of anybody.

    `mine` are the identifiers that the graph gives this person: their hashes, one after the other.
    """
    if not any(each.first_seen or each.last_seen for each in found):
        return None
    seen = found[0].identifiers if len(found) == 1 and not found[0].stamped else _together(found)
    told: dict[str, list[str]] = {}
    for namespace in sorted(seen):
        values = seen[namespace]
        own = [value for value in values if hashed(namespace, value) in mine]
        if len(own) > 1:
            own.sort(key=lambda value: (values[value], value))
        if own:
            told[namespace] = own
    return told


def _together(found: Sequence[Identified]) -> dict[str, dict[str, Instant]]:
    """When each was seen first."""
    seen: dict[str, dict[str, Instant]] = {}
    for each in found:
        for part in (each.identifiers, *(part.identifiers for part in each.stamped.values())):
            for namespace, values in part.items():
                known = seen.setdefault(namespace, {})
                for value, at in values.items():
                    known[value] = min(at, known.get(value, at))
    return seen
