"""Data quality: the formula for anomalies, drift, and what is looked at of an event."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event
from cdp.quality.anomalies import LEAST_HISTORY, judge
from cdp.quality.report import Window, drifted, told
from cdp.quality.sights import HOUR, MOST_PROPERTIES, Shape, Sights, name_of, types_of
from cdp.quality.store import Found, Seen, Sum

COUNTS = st.integers(0, 100_000)
HISTORY = st.lists(COUNTS, min_size=LEAST_HISTORY, max_size=168)
TYPES = st.sampled_from(["number", "string", "null", "object"])
SEEN = st.dictionaries(
    st.tuples(st.sampled_from("abc"), TYPES), st.tuples(st.integers(0, 3), st.integers(0, 3))
)


def event(kind: str = "track", **fields: Any) -> Event:
    return Event(SCHEMA, kind, b"e" * 16, 1, "m", 10, 10, **fields)  # type: ignore[arg-type]


def shape_of(properties: dict[str, Any]) -> Shape:
    sights = Sights(1, 10)
    sights.add(event(name="E", properties=properties), "E")
    (shape,) = sights.shapes
    return shape


@given(st.lists(COUNTS, max_size=LEAST_HISTORY - 1), COUNTS)
def test_a_short_history_says_nothing(history: list[int], count: int) -> None:
    assert judge(count, history) is None


@given(HISTORY, COUNTS, st.randoms())
def test_the_order_of_hours_says_nothing(history: list[int], count: int, random: Any) -> None:
    shuffled = random.sample(history, len(history))
    assert judge(count, shuffled) == judge(count, history)


@given(HISTORY, COUNTS, COUNTS)
def test_more_is_never_less_of_an_anomaly(history: list[int], count: int, other: int) -> None:
    low, high = sorted((count, other))
    below, above = judge(low, history), judge(high, history)
    if below is not None and below.kind == "more":
        assert above is not None
        assert (above.kind, above.score >= below.score) == ("more", True)
    if above is not None and above.kind == "fewer":
        assert below is not None
        assert (below.kind, below.score <= above.score) == ("fewer", True)


@given(HISTORY)
def test_what_half_of_the_hours_had_is_in_the_ordinary(history: list[int]) -> None:
    ordinary = sorted(history)
    assert judge(ordinary[len(ordinary) // 2], history) is None


@given(st.lists(st.integers(90, 110), min_size=25, max_size=100), st.lists(COUNTS, max_size=12))
def test_some_wild_hours_hide_nothing_and_blame_nobody(calm: list[int], wild: list[int]) -> None:
    assume(len(wild) * 2 < len(calm) - 1)
    assert judge(100, calm + wild) is None
    spike = judge(100 + 8 * 20, calm + wild)
    assert spike is not None
    assert spike.kind == "more"


@given(HISTORY, COUNTS)
def test_an_hour_that_is_not_over_has_never_too_few(history: list[int], count: int) -> None:
    found = judge(count, history, over=False)
    assert found is None or found.kind == "more"
    assert judge(count, history) == found or judge(count, history).kind == "fewer"  # type: ignore[union-attr]


def test_by_chance_alone_counts_are_spread_and_small_ones_more() -> None:
    steady = [100] * 48
    assert (judge(135, steady), judge(65, steady)) == (None, None)
    assert judge(136, steady).score == 3.6  # type: ignore[union-attr]
    assert (judge(3, [0] * 48), judge(4, [0] * 48).kind) == (None, "more")  # type: ignore[union-attr]
    assert judge(0, [12] * 48) is None  # by chance alone, once in a hundred thousand hours
    assert judge(0, [13] * 48).kind == "fewer"  # type: ignore[union-attr]


@given(SEEN)
def test_drift_is_a_type_that_was_not_there_before_of_what_was(rows: Any) -> None:
    seen = [Seen(1, "e", name, kind, *counts) for (name, kind), counts in rows.items()]
    found = {each["property"]: each for each in drifted(seen)}
    for name in "abc":
        before = {s.type for s in seen if s.property == name and s.before} - {"null"}
        now = {s.type for s in seen if s.property == name and s.now} - {"null"}
        assert (name in found) == bool(before and now - before)
        if name in found:
            assert (set(found[name]["before"]), set(found[name]["now"])) == (before, now)


def test_an_event_that_stopped_is_told_of_although_no_row_is_in_the_window() -> None:
    sums = [Sum(1, "e", hour * HOUR, "received", 50) for hour in range(100)]
    (found,) = told(Window(100 * HOUR, 102 * HOUR), Found(sums, [], []))
    kinds = [(each["received"], each["kind"]) for each in found["anomalies"]]
    assert kinds == [(0, "fewer"), (0, "fewer")]  # the last hour is not over
    assert (found["received"], found["late_rate"], found["hourly"]) == (0, 0.0, [])
    assert told(Window(700 * HOUR, 702 * HOUR), Found(sums, [], [])) == []


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text(), max_size=5))
def test_a_shape_has_names_and_types_and_nothing_else(properties: Any) -> None:
    shape = shape_of(properties)
    assert name_of(shape) == "E"
    names = {
        type(None): "null",
        bool: "boolean",
        float: "number",
        str: "string",
    }
    assert dict(types_of(shape)) == {n: names[type(v)] for n, v in properties.items()}


def test_of_an_event_only_so_many_properties_are_looked_at() -> None:
    many = {str(n): n for n in range(MOST_PROPERTIES + 1)}
    assert len(list(types_of(shape_of(many)))) == MOST_PROPERTIES


def test_events_that_look_the_same_are_counted_together() -> None:
    sights = Sights(1, 10)
    for revenue in (1, 2, 2.5):
        sights.add(event(name="E", properties={"revenue": revenue}), "E")
    sights.add(event("identify", traits={"age": 1}), "identify")
    assert sorted(sights.shapes.values()) == [1, 1, 2]
    assert not sights.late
