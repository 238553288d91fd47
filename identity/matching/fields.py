"""What is compared of a person, and which people are compared at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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

    def _blocks(self, record: Record) -> Iterator[str]:
        for number, key in enumerate(self.keys):
            values = [self._values(record, part) for part in key]
            if all(values):
                for each in product(*values):
                    if len(set(each)) == len(each):
                        yield f"{number}\x1f" + "\x1f".join(sorted(each))

    def _values(self, record: Record, part: Part) -> set[str]:
        places, partner = _about(self.fields)[part.field]
        if places:  # the network, on whatever day
            return {place.partition(" ")[2] for place in record[part.field]}
        both = record[part.field] + record[partner] if partner != part.field else record[partner]
        if not part.first:
            return set(both)
        return {value[: part.first] for value in both if len(value) >= part.first}


@lru_cache(maxsize=100)
def _about(fields: tuple[Field, ...]) -> list[tuple[bool, int]]:
    """Of each field: whether it has places, and which it is mistaken for; itself if for none."""
    names = [each.name for each in fields]
    partner = {names.index(each.crossed): n for n, each in enumerate(fields) if each.crossed}
    partner |= {n: names.index(each.crossed) for n, each in enumerate(fields) if each.crossed}
    return [(each.compare == PLACES, partner.get(n, n)) for n, each in enumerate(fields)]


def _clean(field: Field, values: Sequence[Any]) -> tuple[str, ...]:
    if not values:
        return ()
    written = (str(value) for value in values if isinstance(value, str | int | float))
    kept = {cleaned(field.compare, each) for each in written} - {""}
    return tuple(sorted(kept)[-MOST_VALUES:])
