"""The whole segment language over fragments, against one that reads the whole history slowly."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event, Identifier
from cdp.forms import load
from profiles import fragment
from profiles.facts import Sight, Somebody
from profiles.language.conditions import asked, counters
from profiles.language.counters import Counter
from profiles.language.evaluating import evaluate
from profiles.language.parsing import Known, measure, parse
from profiles.language.schema import ComputedTraitSchema, SegmentSchema
from profiles.language.spans import CALENDAR
from profiles.language.text import reading as text_reading
from profiles.language.text import writing
from profiles.model import Computed, compute_all
from tests.support.slowly import Did, Life, S, amounts, duration, holds

M = 60 * S
# Clocks are put forward in Berlin on the 29th of March 2026, from 2:00 to 3:00.
BASE = round(datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp()) * S
NAMES, PROPERTIES = st.sampled_from(["a", "b", "c"]), st.sampled_from(["p", "q"])
SCALARS = st.sampled_from(["x", "xy", "3", "-2.5", 3, 3.0, 2.5, 1, True, "2026-03-28", ""])
VALUES = st.one_of(SCALARS, st.none(), st.lists(SCALARS, max_size=3))
LENGTHS = st.sampled_from(["10m", "1h", "90m", "1d", "36h", "1w"])
COUNTS = st.integers(0, 3)
NUMBERS = st.sampled_from([0, 1, 2.5, 3, 5.5])


def some(tests: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(st.sampled_from(sorted(tests)), min_size=1, max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: tests[name] for name in names})
    )


ORDERED = ("eq", "ne", "gt", "gte", "lt", "lte")
DATES = st.sampled_from(["2026-03-28", "2026-03-28T20:00:00+02:00"])
COMPARED = {
    **dict.fromkeys((*ORDERED, "contains"), SCALARS),
    "in": st.lists(SCALARS, min_size=1, max_size=2),
    "exists": st.booleans(),
    "starts_with": st.sampled_from(["x", "2026", ""]),
    "ends_with": st.sampled_from(["y", "5"]),
    "before": DATES,
    "after": DATES,
}
RELATIVE = st.sampled_from(["12h ago", "in 90m", "1d ago", "in 2d"])
reads = st.sampled_from([{}, {}, {"as": "number"}, {"as": "text"}])
a_filter = st.builds(
    lambda name, how, tests: {"property": name, **how, **tests}, PROPERTIES, reads, some(COMPARED)
)
filters = st.recursive(
    a_filter,
    lambda inner: st.one_of(
        st.builds(lambda of: {"all": of}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda of: {"any": of}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda of: {"not": of}, inner),
    ),
    max_leaves=3,
)
wheres = st.one_of(st.just({}), st.builds(lambda f: {"where": f}, st.lists(filters, max_size=2)))
spans = st.one_of(
    st.just({}),
    st.builds(lambda w: {"within": w}, LENGTHS),
    st.builds(lambda d: {"during": d}, st.sampled_from(CALENDAR)),
)
counted = some(dict.fromkeys(ORDERED, COUNTS))
MEASURED: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "count": counted,
    "days": counted,
    "distinct": counted,
    **dict.fromkeys(
        ("sum", "average", "min", "max"),
        some({**dict.fromkeys(ORDERED, NUMBERS), "exists": st.booleans()}),
    ),
    **dict.fromkeys(("first", "last", "most_frequent"), some(COMPARED)),
    **dict.fromkeys(("since_first", "since_last"), some(dict.fromkeys(ORDERED, LENGTHS))),
}
PLAIN = ("count", "days", "since_first", "since_last")


@st.composite
def measured(draw: st.DrawFn) -> dict[str, Any]:
    """An event, and what its occurrences come to."""
    kind = draw(st.sampled_from(sorted(MEASURED)))
    found = {"event": draw(NAMES), **draw(wheres)}
    found[kind] = draw(MEASURED[kind])
    if kind not in PLAIN:
        found[kind] = {"of": draw(PROPERTIES), **found[kind]}
    if not kind.startswith("since"):
        found |= draw(spans)
    if kind == "count" and draw(st.booleans()):
        found["same"] = draw(PROPERTIES)
    return found


@st.composite
def sequences(draw: st.DrawFn) -> dict[str, Any]:
    """Two or three steps, or what does not come after one or two."""
    number = draw(st.integers(1, 3))
    steps = [{"event": draw(NAMES), **draw(wheres)} for _ in range(number)]
    for step in steps[1:]:
        if draw(st.booleans()):
            step["within"] = draw(st.sampled_from(["1h", "90m", "1d"]))
        if draw(st.booleans()):
            step["after"] = draw(st.sampled_from(["10m", "1h"]))
        if draw(st.booleans()):
            step["without"] = [{"event": draw(NAMES), **draw(wheres)}]
    if number == 1 or draw(st.booleans()):
        steps.append({"no": draw(NAMES), **draw(wheres), "for": draw(LENGTHS)})
    found: dict[str, Any] = {"sequence": steps, "count": draw(counted), **draw(spans)}
    if draw(st.booleans()):
        found["same"] = draw(PROPERTIES)
    return found


traits = st.builds(
    lambda how, tests: {"trait": "t", **how, **tests},
    reads,
    some({**COMPARED, "before": DATES | RELATIVE, "after": DATES | RELATIVE}),
)
others = st.one_of(
    st.builds(lambda tests: {"identifier": "email", **tests}, st.just({}) | some(COMPARED)),
    st.builds(lambda p: {"consent": p}, st.sampled_from(["email", "push"])),
    st.builds(lambda k: {"segment": k}, st.sampled_from(["busy", "rare"])),
    st.builds(lambda tests: {"computed": "worth", **tests}, some(dict.fromkeys(ORDERED, NUMBERS))),
)
seen = st.builds(
    lambda which, within: {"seen": which, "within": within},
    st.sampled_from(["first", "last"]),
    LENGTHS,
)
leaves = st.one_of(measured(), measured(), sequences(), traits, others, seen)
trees = st.one_of(
    leaves,
    st.builds(lambda of: {"all": of}, st.lists(leaves, min_size=1, max_size=2)),
    st.builds(lambda of: {"not": {"any": of}}, st.lists(leaves, min_size=1, max_size=2)),
)
lives = st.lists(
    st.tuples(
        NAMES,
        st.integers(0, 60 * 60).map(lambda m: m - m % 10) | st.integers(0, 300),
        st.fixed_dictionaries({}, optional={"p": VALUES, "q": VALUES}),
    ),
    max_size=9,
)
SEGMENTS = {
    "busy": ("push", {"event": "a", "count": {"gte": 2}, "within": "1d"}),
    "rare": ("email", {"not": {"event": "c"}}),
}
COMPUTED = {"worth": {"event": "b", "sum": {"of": "p"}, "within": "1d"}}
KNOWN = Known(SEGMENTS, COMPUTED)
ALLOWED = {"email": True, "push": False, "all": True}


def life_of(did: list[tuple[str, int, dict[str, Any]]], trait: Any, zone: str) -> Life:
    done = [Did(n, name, BASE + at * M, props) for n, (name, at, props) in enumerate(did)]
    allowed = frozenset(purpose for purpose in ALLOWED if ALLOWED[purpose])
    emails = {"email": ["x@example.com", "xy"]}
    return Life(done, {"t": trait}, emails, zone, allowed, SEGMENTS, COMPUTED)


def sight_of(life: Life, needed: list[Counter], shuffler: random.Random, received: int) -> Sight:
    """What they did and had told by then, folded in any order into several fragments and joined."""
    made = [
        Event(
            SCHEMA, "track", did.number.to_bytes(7) + bytes(9), 1, "", did.at, did.at,
            name=did.name, properties=did.properties, context={"timezone": life.zone},
        )
        for did in life.did
        if did.at <= received
    ]  # fmt: skip
    told = Event(SCHEMA, "identify", bytes(16), 1, "", 0, 0, traits=life.traits)
    numbered = list(enumerate(dict.fromkeys(needed)))
    kept = fragment.counting(numbered)
    parts = [fragment.empty() for _ in range(3)]
    named = [Identifier("email", each) for each in ("x@example.com", "xy", "not theirs")]
    fragment.fold(parts[0], told, named, kept)
    for event in shuffler.sample(made, len(made)):
        fragment.fold(shuffler.choice(parts), event, [], kept)
    stored = [fragment.decode(fragment.encode(each)) for each in parts]
    somebody = Somebody(ALLOWED, lambda _, value: value != "not theirs")
    numbers = {counter.key: str(number) for number, counter in numbered}
    return Sight(stored, numbers, {}, somebody)


def lengths(where: Any) -> Iterator[int]:
    """Every duration that a definition speaks of."""
    if isinstance(where, dict):
        for each in where.values():
            yield from lengths(each)
    elif isinstance(where, list):
        for each in where:
            yield from lengths(each)
    elif isinstance(where, str):
        for each in where.replace(" ago", "").replace("in ", "").split():
            if each[:-1].isdigit() and each[-1] in "smhdw":
                yield duration(each)


def instants(where: dict[str, Any], life: Life) -> list[int]:
    """Where the truth may turn, and a millisecond to either side; midnights and quarters of one."""
    longs = {0, *lengths(where), 86_400 * S}
    ats = {did.at for did in life.did} | {BASE}
    edges = {at + long for at in ats for long in longs} | {
        at - long for at in ats for long in longs
    }
    edges |= {BASE + quarter * 15 * M for quarter in range(0, 4 * 24 * 5, 4)}
    return sorted(edge + side for edge in edges for side in (-1000, 0, 1, 1000) if edge >= BASE)


@given(
    trees, lives, SCALARS | DATES, st.sampled_from(["", "Europe/Berlin", "America/New_York"]),
    st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=60)
def test_the_language_says_what_the_words_say(
    where: dict[str, Any],
    did: list[tuple[str, int, dict[str, Any]]],
    trait: Any,
    zone: str,
    shuffler: random.Random,
) -> None:
    loaded, _ = load(SegmentSchema(), msgspec.json.encode({"name": "n", "where": where}))
    condition = parse(loaded["where"], KNOWN)
    needed = list(counters(condition)) + list(asked(measure(COMPUTED["worth"])))
    needed += [each for _, other in SEGMENTS.values() for each in counters(parse(other))]
    life = life_of(did, trait, zone)
    if not did:
        life = life._replace(zone="")
    edges = instants(where, life)
    for now in shuffler.sample(edges, 3):
        known = life._replace(did=[each for each in life.did if each.at <= now])
        if not known.did:
            known = known._replace(zone="")
        facts = sight_of(known, needed, shuffler, now)("all")
        outcome = evaluate(condition, facts, now)
        assert outcome.holds == holds(where, known, now)
        for later in shuffler.sample(edges, 12):
            if now < later and (outcome.until is None or later < outcome.until):
                assert holds(where, known, later) == outcome.holds, (later - now, outcome)
        if outcome.until is not None:
            assert outcome.until > now
            assert holds(where, known, outcome.until - 1) == outcome.holds


@given(trees)
def test_every_tree_reads_back_from_its_text(where: dict[str, Any]) -> None:
    written = writing.text(where)
    assert text_reading.tree(written) == writing.normal(where), written
    loaded, _ = load(SegmentSchema(), msgspec.json.encode({"name": "n", "where": written}))
    assert parse(loaded["where"], KNOWN) == parse(writing.normal(where), KNOWN)


values = st.one_of(
    measured().map(lambda each: {k: {"of": v["of"]} if isinstance(v, dict) and "of" in v else
                                 {} if isinstance(v, dict) else v
                                 for k, v in each.items() if k != "same"}),
    sequences().map(lambda each: {k: v for k, v in each.items() if k != "count"}),
)  # fmt: skip


@given(values, lives, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_a_computed_trait_is_what_the_words_say_until_it_says(
    value: dict[str, Any], did: list[tuple[str, int, dict[str, Any]]], shuffler: random.Random
) -> None:
    written = msgspec.json.encode({"name": "n", "value": writing.value_text(value)})
    loaded, _ = load(ComputedTraitSchema(), written)
    trait = Computed("t", "email", measure(loaded["value"]))
    life = life_of(did, None, "Europe/Berlin" if did else "")
    now = max((each.at for each in life.did), default=BASE) + shuffler.choice([0, M, 3000 * M])
    sight = sight_of(life, list(asked(trait.measure)), shuffler, now)
    found, until, _ = compute_all([trait], sight, ALLOWED, now)

    def slowly(then: int) -> dict[str, Any]:
        (amount,) = amounts(loaded["value"], life, then)
        if amount is not None and trait.measure.kind.startswith("since"):
            amount //= 86_400 * S
        return {} if amount is None else {"t": amount}

    assert found == slowly(now)
    for later in shuffler.sample(instants(value, life), 12):
        if now < later and (until is None or later < until):
            assert slowly(later) == found
    assert compute_all([trait], sight, {}, now) == ({}, None, {})
