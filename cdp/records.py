"""What matching compares of a person, taken from their fragments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from identity.matching.fields import Matching, Record
from profiles.fragment import Fragment

PLACES, DEVICES = "@places", "@devices"
_WORDS = {"first": 0, "last": -1}  # of a name that is given whole


def record(matching: Matching, fragments: Iterable[Fragment]) -> Record:
    """Every value that was ever the latest of its subject."""
    known = list(fragments)
    found = {
        each.name: [v for one in known for source in each.traits for v in _values(one, source)]
        for each in matching.fields
    }
    return matching.record(found)


def _values(fragment: Fragment, source: str) -> Iterator[Any]:
    if source == PLACES:
        yield from fragment.places
    elif source == DEVICES:
        yield from fragment.devices
    elif source.startswith("@"):
        yield from fragment.identifiers.get(source[1:], ())
    else:
        name, _, rest = source.partition(".")
        if name in fragment.traits:
            yield from _inside(fragment.traits[name][2], rest)


def _inside(value: Any, path: str) -> Iterator[Any]:
    """The value at a dotted path; `first` and `last` of a text are its words."""
    if not path:
        yield value
    elif isinstance(value, dict):
        name, _, rest = path.partition(".")
        if name in value:
            yield from _inside(value[name], rest)
    elif isinstance(value, str) and path in _WORDS and len(value.split()) > 1:
        yield value.split()[_WORDS[path]]
