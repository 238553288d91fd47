"""What is compared of a person, and which people are compared at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, TypeAlias

from identity.matching.comparing import PLACES, cleaned

# The clean values of each field, in the order of the fields; one person may have several.
Record: TypeAlias = tuple[tuple[str, ...], ...]

CROWD = 20  # records that share a key, or a network, beyond which it tells nothing
MOST_VALUES = 16  # of one field that are looked at
MOST_KEYS = 64  # of one record


class Field(NamedTuple):
    """One thing that is compared; `traits` are where it is found, by their dotted paths.

    `shared` says that those who live together have it in common, as a last name or an address.
    `crossed` names the field that it is sometimes mistaken for, as first and last names are.
    """

    name: str
    compare: str  # one of COMPARISONS
    traits: tuple[str, ...] = ()
    shared: bool = False
    crossed: str = ""


class Part(NamedTuple):
    """A field in a blocking key, whole or only so many of its first characters."""

    field: int
    first: int = 0


class Evidence(NamedTuple):
    """What one field says, in words and in bits; positive speaks for one person."""

    field: str
    says: str
    bits: float


@dataclass(frozen=True, slots=True)
class Matching:
    """Whom to compare with whom, and in what. Records that share a key are compared."""

    fields: tuple[Field, ...]
    keys: tuple[tuple[Part, ...], ...]

    def record(self, found: Mapping[str, Sequence[Any]]) -> Record:
        """A person as they are compared, from the values of each field by its name."""
        return tuple(_clean(field, found.get(field.name, ())) for field in self.fields)

    def blocks(self, record: Record) -> list[str]:
        """The record's keys: the number of the rule, and what it comes to."""
        return sorted(set(self._blocks(record)))[:MOST_KEYS]

    def inside(self, key: Sequence[Part]) -> set[int]:
        """The fields that records with this key in common have in common, more or less."""
        fields = {part.field for part in key}
        return fields | {self.partner(field) for field in fields}

    def partner(self, field: int) -> int:
        """The field that this one is sometimes mistaken for; itself if there is none."""
        names = [each.name for each in self.fields]
        if self.fields[field].crossed:
            return names.index(self.fields[field].crossed)
        crossed = [each.crossed for each in self.fields]
        return crossed.index(names[field]) if names[field] in crossed else field

    def _blocks(self, record: Record) -> Iterator[str]:
        for number, key in enumerate(self.keys):
            for values in set(product(*(self._values(record, part) for part in key))):
                if len(set(values)) == len(values):
                    yield f"{number}\x1f" + "\x1f".join(sorted(values))

    def _values(self, record: Record, part: Part) -> set[str]:
        if self.fields[part.field].compare == PLACES:  # the network, on whatever day
            return {place.partition(" ")[2] for place in record[part.field]}
        both = {*record[part.field], *record[self.partner(part.field)]}
        return {cut for cut in (_cut(value, part.first) for value in both) if cut}


def _clean(field: Field, values: Sequence[Any]) -> tuple[str, ...]:
    if not values:
        return ()
    written = (str(value) for value in values if isinstance(value, str | int | float))
    kept = {cleaned(field.compare, each) for each in written} - {""}
    return tuple(sorted(kept)[-MOST_VALUES:])


def _cut(value: str, first: int) -> str:
    if not first:
        return value
    return value[:first] if len(value) >= first else ""
