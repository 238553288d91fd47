"""What matching compares of a person, taken from their fragments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from identity.matching.fields import Matching, Record
from profiles.fragment import Fragment, Part, Stamped, parts

PLACES, DEVICES = "@places", "@devices"
_WORDS = {"first": 0, "last": -1}  # of a name that is given whole


def record(
    matching: Matching, fragments: Iterable[Fragment], without: frozenset[str] = frozenset()
) -> Record:
    """Every value that was ever the latest of its subject.

    What events told that deny any of the signals `without` is not compared.
    """
    known = [_seen(each, without) for each in fragments]
    found = {
        each.name: [v for one in known for source in each.traits for v in _values(one, source)]
        for each in matching.fields
    }
    return matching.record(found)


def _seen(fragment: Fragment, without: frozenset[str]) -> Part:
    """What may be seen of a fragment, in one piece."""
    found = list(parts(fragment, without))
    if len(found) == 1:
        return found[0]
    seen = Stamped({}, {}, {}, {}, [], {})
    for part in found:
        for name, register in part.traits.items():
            if name not in seen.traits or seen.traits[name][:2] < register[:2]:
                seen.traits[name] = register
        for namespace, values in part.identifiers.items():
            seen.identifiers.setdefault(namespace, {}).update(values)
        seen.devices.update(part.devices)
    seen.places = list(dict.fromkeys(place for part in found for place in part.places))
    return seen


def _values(part: Part, source: str) -> Iterator[Any]:
    if source == PLACES:
        yield from part.places
    elif source == DEVICES:
        yield from part.devices
    elif source.startswith("@"):
        yield from part.identifiers.get(source[1:], ())
    else:
        name, _, rest = source.partition(".")
        if name in part.traits:
            yield from _inside(part.traits[name][2], rest)


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
