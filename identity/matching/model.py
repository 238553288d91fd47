"""How probably two records are one person, by Fellegi and Sunter's theory of record linkage (1969).

Each field's level of likeness is evidence: it is seen `m` of the time where two records are one
person, and `u` of the time where they are not. log2(m/u) is its weight in bits; weights add up.

The theory knows two cases. People who live together are a third: they share a name, an address and
a network and are two persons nevertheless. Of them a level is seen `h` of the time; in what a
household does not share that is `u`.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from identity.matching.comparing import COMPARISONS, PLACES, level_of, together
from identity.matching.fields import Evidence, Field, Record

MISSING = -1  # one of the two has no value: no evidence either way
CLOSE = 1  # the last level at which two values are taken for the same with a slip

Levels: TypeAlias = tuple[int, ...]
_Shares: TypeAlias = Mapping[str, float]


class Weight(NamedTuple):
    """How often each level is seen of one person, of strangers, and of one household."""

    m: tuple[float, ...]
    u: tuple[float, ...]
    h: tuple[float, ...]


class Prior(NamedTuple):
    """How often two records drawn at random are one person, or two of one household."""

    same: float
    household: float


_decoder = msgspec.msgpack.Decoder(
    tuple[tuple[Weight, ...], Prior, tuple[_Shares, ...], tuple[float, ...], frozenset[str], int]
)


class Rarity(NamedTuple):
    """Bits that come from how rare it is what agrees: of all fields, and of what is shared."""

    every: float
    shared: float


@dataclass(frozen=True, slots=True)
class Model:
    """What was learned of `records` records.

    `common` are, by field, the values that more than one have, and the share that has each: that
    two are called Smith says less than that two are called Featherstonehaugh. `rarest` is the share
    of any other. `crowded` are the networks where too many are for it to mean anything.
    """

    fields: tuple[Field, ...]
    weights: tuple[Weight, ...]
    prior: Prior
    common: tuple[Mapping[str, float], ...]
    rarest: tuple[float, ...]
    crowded: frozenset[str] = frozenset()
    records: int = 0
    _bits: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = field(
        init=False, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        bits = tuple((_log2(w.m, w.u), _log2(w.h, w.u)) for w in self.weights)
        object.__setattr__(self, "_bits", bits)

    def probability(self, a: Record, b: Record) -> float:
        """That two records are one person."""
        seen = levels(self.fields, a, b, self.crowded)
        return self.cases(seen, self.rarity(seen, a, b))[0]

    def cases(self, seen: Levels, rarity: Rarity) -> tuple[float, float]:
        """The probabilities of one person, and of two of one household."""
        same, household = rarity
        for index, level in enumerate(seen):
            if level != MISSING:
                own, theirs = self._bits[index]
                same += own[level]
                household += theirs[level]
        one = self.prior.same * 2.0 ** min(same, 200.0)
        two = self.prior.household * 2.0 ** min(household, 200.0)
        whole = one + two + 1 - self.prior.same - self.prior.household
        return one / whole, two / whole

    def rarity(self, seen: Levels, a: Record, b: Record) -> Rarity:
        """What it adds how rare the values are in which two agree."""
        every = shared = 0.0
        for index, level in enumerate(seen):
            if level == 0 and self.rarest[index]:
                bits = self._rare(index, a[index], b[index])
                every += bits
                shared += bits if self.fields[index].shared else 0.0
        return Rarity(every, shared)

    def evidence(self, a: Record, b: Record) -> list[Evidence]:
        """Field by field."""
        told = []
        for index, level in enumerate(levels(self.fields, a, b, self.crowded)):
            if level != MISSING:
                one, bits = self.fields[index], self._bits[index][0][level]
                if level == 0 and self.rarest[index]:
                    bits += self._rare(index, a[index], b[index])
                told.append(Evidence(one.name, said(one, level), round(bits, 2)))
        return told

    def _rare(self, index: int, a: Sequence[str], b: Sequence[str]) -> float:
        shares = [self.common[index].get(v, self.rarest[index]) for v in a if v in b]
        return math.log2(self.weights[index].u[0] / min(shares))


def encode(model: Model) -> bytes:
    """The stored form, without the fields, which are in what it was learned for."""
    return msgspec.msgpack.encode(
        (model.weights, model.prior, model.common, model.rarest, model.crowded, model.records)
    )


def decode(stored: bytes, fields: tuple[Field, ...]) -> Model:
    """Read the stored form."""
    return Model(fields, *_decoder.decode(stored))


def _log2(some: Sequence[float], u: Sequence[float]) -> tuple[float, ...]:
    return tuple(math.log2(x / y) for x, y in zip(some, u, strict=True))


def levels(fields: tuple[Field, ...], a: Record, b: Record, crowded: Container[str] = ()) -> Levels:
    """How alike two records are, field by field: the closest of their values.

    Where two fields were mistaken for each other, the one that says so has a level of its own for
    that, its last, and the other says nothing.
    """
    found = []
    for each, mine, theirs in zip(fields, a, b, strict=True):
        if not mine or not theirs:
            found.append(MISSING)
        elif each.compare == PLACES:
            found.append(together(mine, theirs, crowded))
        elif len(mine) == len(theirs) == 1:  # as a rule
            found.append(level_of(each.compare, mine[0], theirs[0]))
        else:
            found.append(min([level_of(each.compare, v, w) for v in mine for w in theirs]))
    for index, other in _crossed(fields):
        if 0 <= found[index] <= CLOSE or 0 <= found[other] <= CLOSE:
            continue
        each = fields[index]
        if _close(each, a[index], b[other]) or _close(each, a[other], b[index]):
            found[index], found[other] = count_levels(each) - 1, MISSING
    return tuple(found)


@lru_cache(maxsize=100)
def _crossed(fields: tuple[Field, ...]) -> list[tuple[int, int]]:
    """Fields that are sometimes mistaken for each other, by their numbers."""
    names = [each.name for each in fields]
    return [(n, names.index(each.crossed)) for n, each in enumerate(fields) if each.crossed]


def _close(each: Field, mine: Sequence[str], theirs: Sequence[str]) -> bool:
    return any(level_of(each.compare, v, w) <= CLOSE for v in mine for w in theirs)


def count_levels(each: Field) -> int:
    """How many levels a field has."""
    return len(COMPARISONS[each.compare].levels) + bool(each.crossed)


def said(each: Field, level: int) -> str:
    """A level in words."""
    words = COMPARISONS[each.compare].levels
    return words[level] if level < len(words) else f"given as {each.crossed}"
