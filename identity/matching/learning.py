"""Weights learned without anybody saying who is who, by expectation maximisation.

`u` comes from pairs drawn at random, of which next to none are one person. The pairs that share a
blocking key are nearly all that are one person, or two of one household. Of all the others nothing
is expected but strangers; so with the number of all pairs they stand for the whole, and what is
learned from them (`m`, `h`, and how many pairs are of each kind) is what explains it best.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from identity.matching.comparing import PLACES
from identity.matching.fields import CROWD, Field, Matching, Record
from identity.matching.model import (
    Levels,
    Model,
    Prior,
    Rarity,
    Weight,
    count_levels,
    levels,
)

DRAWN = 100_000  # pairs drawn at random, and how often a record is in one
DRAWN_EACH = 25
PAIRS = 500_000  # pairs that are looked at
ROUNDS = 40
COMMON = 5_000  # values of a field whose share is kept
_LEAST = 0.1  # pairs of a kind that are expected at least
_DOUBT = 1.0  # pairs that are taken to have been seen of each level beforehand


class Sample(NamedTuple):
    """Records to learn from: some drawn from all there are, and those that share a key with them.

    The first `drawn` records are those drawn; None: they are all there are.
    """

    records: Sequence[Record]
    drawn: int | None = None
    total: int = 0

    @property
    def seeds(self) -> Sequence[Record]:
        """Those drawn."""
        return self.records[: self.drawn]

    @property
    def possible(self) -> float:
        """How many pairs there are in all with at least one that was drawn."""
        count = len(self.seeds)
        others = max(self.total, len(self.records)) - count
        return max(count * (count - 1) / 2 + count * others, 1.0)


class _Pattern(NamedTuple):
    """What a pair looks like: its levels, and the bits that rarity adds; alike pairs count once."""

    levels: Levels
    rarity: Rarity


def learn(matching: Matching, sample: Sample, *, seed: int = 0) -> Model:
    """A model of these records; the same for the same records and seed."""
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    fields, seeds = matching.fields, sample.seeds
    crowded = _crowded(fields, sample)
    us = _unlike(fields, seeds, crowded, rng)
    weights = []
    for each, u in zip(fields, us, strict=True):
        guess = _guess(each)
        weights.append(Weight(guess, u, guess if each.shared else u))
    common = tuple(_common(each, [record[i] for record in seeds]) for i, each in enumerate(fields))
    rarest = tuple(_rarest(each, [r[i] for r in seeds]) for i, each in enumerate(fields))
    few = 1 / max(len(sample.records), sample.total, 2)
    model = Model(fields, tuple(weights), Prior(few, few), common, rarest, crowded, len(seeds))
    pairs = _pairs(matching, sample)
    if not pairs:
        return replace(model, prior=Prior(*[_LEAST / sample.possible] * 2))
    looked_at = sorted(pairs)
    if len(pairs) > PAIRS:
        looked_at = rng.sample(looked_at, PAIRS)
    patterns = _patterns(model, sample.records, looked_at)
    possible = sample.possible * len(looked_at) / len(pairs)
    for _ in range(ROUNDS):
        model = _maximised(model, patterns, possible)
    return model


def _crowded(fields: Sequence[Field], sample: Sample) -> frozenset[str]:
    """Networks in which more than a crowd are seen: a phone company's, an office's."""
    counts: Counter[str] = Counter()
    for index, each in enumerate(fields):
        if each.compare == PLACES:
            for record in sample.seeds:
                counts.update({place.partition(" ")[2] for place in record[index]})
    share = len(sample.seeds) / max(sample.total, len(sample.records), 1)
    return frozenset(network for network, count in counts.items() if count > CROWD * share)


def _unlike(
    fields: tuple[Field, ...],
    records: Sequence[Record],
    crowded: Container[str],
    rng: random.Random,
) -> list[tuple[float, ...]]:
    """The shares of each level among records drawn at random."""
    counts: list[Counter[int]] = [Counter() for _ in fields]
    last = len(records) - 1
    for _ in range(min(DRAWN, DRAWN_EACH * last)):
        a, b = rng.randint(0, last), rng.randint(0, last)
        if a != b:
            seen = levels(fields, records[a], records[b], crowded)
            for count, level in zip(counts, seen, strict=True):
                count[level] += 1
    return [_shares(each, count) for each, count in zip(fields, counts, strict=True)]


def _shares(each: Field, counts: Mapping[int, float]) -> tuple[float, ...]:
    seen = [counts.get(i, 0) + _DOUBT for i in range(count_levels(each))]
    return tuple(count / sum(seen) for count in seen)


def blocks_of(matching: Matching, records: Sequence[Record]) -> Iterable[list[int]]:
    """Records that share a key, where they are no crowd."""
    found: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        for key in matching.blocks(record):
            found.setdefault(key, []).append(index)
    return (inside for inside in found.values() if 1 < len(inside) <= CROWD)


def _pairs(matching: Matching, sample: Sample) -> set[tuple[int, int]]:
    """Those that share a key and one of whom was drawn."""
    drawn = len(sample.seeds)
    return {
        (a, b)
        for block in blocks_of(matching, sample.records)
        for place, a in enumerate(block)
        if a < drawn
        for b in block[place + 1 :]
    }


def _patterns(
    model: Model, records: Sequence[Record], pairs: Iterable[tuple[int, int]]
) -> Counter[_Pattern]:
    found: Counter[_Pattern] = Counter()
    for a, b in pairs:
        seen = levels(model.fields, records[a], records[b], model.crowded)
        rarity = model.rarity(seen, records[a], records[b])
        found[_Pattern(seen, Rarity(round(rarity.every), round(rarity.shared)))] += 1
    return found


def _guess(each: Field) -> tuple[float, ...]:
    """Before anything is known: nine in ten are the same, the others are anything."""
    rest = count_levels(each) - 1
    return (0.9, *[0.1 / rest] * rest)


def _maximised(model: Model, patterns: Mapping[_Pattern, int], possible: float) -> Model:
    """The model that explains best what this one expects of the pairs."""
    m: list[dict[int, float]] = [defaultdict(float) for _ in model.fields]
    h: list[dict[int, float]] = [defaultdict(float) for _ in model.fields]
    same = household = 0.0
    for pattern, number in patterns.items():
        one, two = model.cases(*pattern)
        same += one * number
        household += two * number
        for index, level in enumerate(pattern.levels):
            m[index][level] += one * number
            h[index][level] += two * number
    weights = [
        Weight(_shares(f, m_), each.u, _shares(f, h_) if f.shared else each.u)
        for f, each, m_, h_ in zip(model.fields, model.weights, m, h, strict=True)
    ]
    shares = [min(max(count, _LEAST) / possible, 0.4) for count in (same, household)]
    return replace(model, weights=tuple(weights), prior=Prior(*shares))


def _common(each: Field, column: Sequence[Sequence[str]]) -> Mapping[str, float]:
    """The shares of the values that more than one have."""
    if each.compare == PLACES:
        return {}
    counts = Counter(value for values in column for value in values)
    total = sum(map(bool, column))
    return {value: count / total for value, count in counts.most_common(COMMON) if count > 1}


def _rarest(each: Field, column: Sequence[Sequence[str]]) -> float:
    """What to take for the share of every other value; 0 where rarity says nothing."""
    return 0.0 if each.compare == PLACES else 1 / max(sum(map(bool, column)), 1)
