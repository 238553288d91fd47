"""Record linkage on public data, trained without labels, beside Splink on the same data."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.measure import Figure
from identity.matching import defaults
from identity.matching.fields import Field, Matching
from identity.matching.learning import Sample, blocks_of, learn
from tests.support.people import PEOPLE

SURE = 0.5  # a pair at least that probable is taken for one person
FAKE = defaults.matching(
    (
        Field("first_name", "name", crossed="surname"),
        Field("surname", "name", shared=True),
        Field("dob", "date"),
        Field("city", "text", shared=True),
        Field("email", "email"),
    ),
    (
        "first_name + surname",
        "first_name.3 + surname.3",
        "surname + city",
        "first_name + city",
        "dob",
        "email.5",
    ),
)
FEBRL = defaults.matching(
    (
        Field("given_name", "name", crossed="surname"),
        Field("surname", "name", shared=True),
        Field("street_number", "exact", shared=True),
        Field("address_1", "name", shared=True),
        Field("suburb", "name", shared=True),
        Field("postcode", "code", shared=True),
        Field("state", "exact", shared=True),
        Field("date_of_birth", "date"),
        Field("soc_sec_id", "code"),
    ),
    (
        "given_name + surname",
        "given_name.3 + surname.3",
        "given_name + postcode",
        "surname + postcode",
        "date_of_birth + suburb",
        "surname + date_of_birth",
        "given_name + date_of_birth",
        "date_of_birth + postcode",
        "address_1 + street_number",
        "soc_sec_id",
    ),
)
Scored = list[tuple[int, int, float]]


class Ours(NamedTuple):
    """Pairs, and how many records a second found those they share a key with and were scored."""

    scored: Scored
    rate: float


def linkage() -> list[Figure]:
    """Both datasets; febrl4 only where it is at hand, for it may not be shipped."""
    from bench import peer

    people = _read(PEOPLE)
    clusters = [row["cluster"] for row in people]
    ours = _scored(FAKE, people, lambda a, b: True)
    made = [_figure("fake_1000", ours, peer.deduplicated(people), clusters)]
    febrl = _febrl()
    if febrl is not None:
        one, other = febrl
        rows = [*one, *other]
        who = [row["rec_id"].split("-")[1] for row in rows]
        ours = _scored(FEBRL, rows, lambda a, b: a < len(one) <= b)
        made.append(_figure("febrl4", ours, peer.linked(one, other), who))
    return made


def _febrl() -> tuple[list[dict[str, str]], list[dict[str, str]]] | None:
    import pytest

    from tests.support.data import public

    try:
        files = [public(f"entity_resolution/febrl4{each}.csv") for each in "ab"]
    except pytest.skip.Exception:
        return None
    return _read(files[0]), _read(files[1])


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return [
            {name.strip(): (value or "").strip() for name, value in row.items()}
            for row in csv.DictReader(lines)
        ]


def _scored(
    matching: Matching, rows: Sequence[dict[str, str]], allowed: Callable[[int, int], bool]
) -> Ours:
    records = [matching.record({name: [value] for name, value in row.items()}) for row in rows]
    model = learn(matching, Sample(records))
    started_at = time.perf_counter()
    pairs = {
        (a, b)
        for block in blocks_of(matching, records)
        for place, a in enumerate(block)
        for b in block[place + 1 :]
        if allowed(a, b)
    }
    scored = [(a, b, model.probability(records[a], records[b])) for a, b in sorted(pairs)]
    return Ours(scored, len(records) / (time.perf_counter() - started_at))


def _figure(name: str, ours: Ours, theirs: Scored, who: Sequence[str]) -> Figure:
    matches = sum(n * (n - 1) // 2 for n in Counter(who).values())
    (p, r, mine), (_, _, peers) = (
        _quality(ours.scored, who, matches),
        _quality(theirs, who, matches),
    )
    notes = {
        "precision, recall": f"{p:.4f}, {r:.4f}",
        "at the best threshold, ours and Splink's": f"{_best(ours.scored, who, matches):.4f}, "
        f"{_best(theirs, who, matches):.4f}",
    }
    notes["records scored per s"] = f"{ours.rate:,.0f} (wanted: 2,000)"
    return Figure(
        f"record linkage on {name}, F1 of pairs at {SURE}, no labels",
        mine * 100,
        "%",
        "≥ Splink's",
        mine >= peers,
        f"Splink {peers:.4f}",
        mine / peers,
        notes,
    )


def _quality(scored: Scored, who: Sequence[str], matches: int) -> tuple[float, float, float]:
    """Precision, recall and F1 over pairs; what blocking misses counts as missed."""
    taken = [who[a] == who[b] for a, b, p in scored if p >= SURE]
    right = sum(taken)
    return right / len(taken), right / matches, 2 * right / (len(taken) + matches)


def _best(scored: Scored, who: Sequence[str], matches: int) -> float:
    best, right = 0.0, 0
    for taken, (a, b, _) in enumerate(sorted(scored, key=lambda each: -each[2]), 1):
        right += who[a] == who[b]
        best = max(best, 2 * right / (taken + matches))
    return best
