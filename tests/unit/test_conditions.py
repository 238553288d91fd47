"""The segment language against a slow and obvious evaluator, at every instant that matters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fragment import Tally, Window
from profiles.language.comparing import Test as Comparison
from profiles.language.comparing import lookup, satisfies
from profiles.language.conditions import counters
from profiles.language.counters import Counter
from profiles.language.evaluating import evaluate
from profiles.language.parsing import parse
from tests.support.plain import Plain

S = 1_000_000


@dataclass
class History(Plain):
    """Facts as conditions read them, counted from a plain list of (event, instant)."""

    events: list[tuple[str, int]]
    traits: dict[str, Any] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()

    def trait(self, name: str) -> Any:
        return lookup(self.traits, name)

    def tally(self, event: str) -> Tally | None:
        instants = [at for name, at in self.events if name == event]
        return Tally(len(instants), min(instants), max(instants)) if instants else None

    def window(self, counter: Counter) -> Window | None:
        instants = sorted(at for name, at in self.events if name == counter.event)
        return Window(len(instants), instants[-counter.newest :]) if instants else None

    def seen(self, which: str) -> int | None:
        instants = sorted(at for _, at in self.events)
        return instants[0 if which == "first" else -1] if instants else None

    def allows(self, purpose: str) -> bool:
        return purpose in self.allowed


@pytest.mark.parametrize(
    ("value", "op", "wanted", "expected"),
    [
        ("DE", "eq", "DE", True),
        (1, "eq", 1.0, True),
        (1, "eq", True, False),
        (1, "eq", "1", False),
        (None, "eq", "DE", False),
        (None, "ne", "DE", True),
        ("DE", "ne", "DE", False),
        ("DE", "in", ("AT", "DE"), True),
        (True, "in", (1,), False),
        (30, "gte", 30, True),
        (30, "gt", 30, False),
        ("b", "gt", "a", True),
        ("30", "gt", 5, False),
        (True, "gt", 0, False),
        (None, "lt", 5, False),
        ("analytical engine", "contains", "engine", True),
        (["a", "b"], "contains", "b", True),
        ([1], "contains", True, False),
        (5, "contains", 5, False),
        ("x", "exists", True, True),
        (None, "exists", True, False),
        (None, "exists", False, True),
    ],
)
def test_comparisons(value: Any, op: str, wanted: Any, expected: bool) -> None:
    assert satisfies(value, (Comparison(op, wanted),)) is expected


def test_dots_reach_into_nested_traits_but_a_whole_name_comes_first() -> None:
    facts = History([], {"address": {"city": "Paris"}, "address.city": "London"})
    assert evaluate(parse({"trait": "address.city", "eq": "London"}), facts, 0).holds
    facts = History([], {"address": {"city": "Paris"}})
    assert evaluate(parse({"trait": "address.city", "eq": "Paris"}), facts, 0).holds


def test_logic() -> None:
    facts = History([("Order Completed", 5 * S)], {"country": "DE", "age": 31})
    yes = {"all": [{"trait": "country", "in": ["DE", "AT"]}, {"trait": "age", "gte": 30, "lt": 40}]}
    assert evaluate(parse(yes), facts, 9 * S).holds
    assert not evaluate(parse({"not": yes}), facts, 9 * S).holds
    either = {"any": [{"trait": "age", "gt": 99}, {"event": "Order Completed"}]}
    assert evaluate(parse(either), facts, 9 * S).holds


def test_an_event_is_in_its_window_until_just_before_its_end() -> None:
    facts = History([("Order Completed", 100 * S)])
    condition = parse({"event": "Order Completed", "within": "10s"})
    assert evaluate(condition, facts, 110 * S - 1) == (True, 110 * S)
    assert evaluate(condition, facts, 110 * S) == (False, None)


def test_absence_begins_by_time_alone() -> None:
    facts = History([("Order Completed", 100 * S)])
    condition = parse({"event": "Order Completed", "count": {"eq": 0}, "within": "10s"})
    assert evaluate(condition, facts, 105 * S) == (False, 110 * S)
    assert evaluate(condition, facts, 110 * S) == (True, None)


def test_until_is_when_the_answer_flips_not_when_any_event_leaves() -> None:
    facts = History([("x", 1 * S), ("x", 2 * S), ("x", 3 * S)])
    condition = parse({"event": "x", "count": {"gte": 2}, "within": "10s"})
    assert evaluate(condition, facts, 4 * S) == (True, 12 * S)


def test_counters_are_shared_by_equal_questions() -> None:
    where = [{"property": "revenue", "gt": 50}]
    first = parse({"event": "x", "where": where, "within": "7d"})
    second = parse({"event": "x", "where": where, "within": "30d", "count": {"gte": 3}})
    third = parse({"event": "x", "where": [{"property": "revenue", "gt": True}]})
    assert set(counters(first)) == set(counters(second)) != set(counters(third))


@pytest.mark.parametrize(("least", "newest"), [(1, 16), (15, 16), (16, 32), (1000, 1024)])
def test_a_window_keeps_enough_to_tell_n_from_more(least: int, newest: int) -> None:
    condition = parse({"event": "x", "count": {"gte": least}, "within": "7d"})
    assert next(counters(condition)).newest == newest


def test_what_another_clock_says_lies_ahead_is_seen_now_and_not_yet_for_the_first_time() -> None:
    facts = History([("a", 50 * S)])
    first, last = ({"seen": which, "within": "10s"} for which in ("first", "last"))
    assert evaluate(parse(first), facts, 40 * S) == (False, 50 * S)
    assert evaluate(parse(last), facts, 40 * S) == (True, 60 * S)
    assert evaluate(parse(first), facts, 50 * S) == (True, 60 * S)
    assert evaluate(parse(first), facts, 60 * S) == (False, None)


events = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 40).map(lambda s: s * S)))
comparison = st.dictionaries(
    st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]), st.integers(0, 20), min_size=1
)
leaf = st.one_of(
    st.builds(
        lambda e, c, w: {"event": e, "count": c} | ({"within": f"{w}s"} if w else {}),
        st.sampled_from(["a", "b"]),
        comparison,
        st.integers(0, 30),
    ),
    st.builds(lambda v: {"trait": "t", "eq": v}, st.integers(0, 1)),
    st.builds(
        lambda which, w: {"seen": which, "within": f"{w}s"},
        st.sampled_from(["first", "last"]),
        st.integers(1, 60),
    ),
    st.builds(lambda purpose: {"consent": purpose}, st.sampled_from(["email", "push"])),
)
trees = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(lambda of: {"all": of}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda of: {"any": of}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda of: {"not": of}, inner),
    ),
    max_leaves=6,
)


def slowly(where: dict[str, Any], facts: History, now: int) -> bool:
    """What the words say, read from the whole history."""
    if "all" in where:
        return all(slowly(each, facts, now) for each in where["all"])
    if "any" in where:
        return any(slowly(each, facts, now) for each in where["any"])
    if "not" in where:
        return not slowly(where["not"], facts, now)
    if "trait" in where:
        return bool(facts.traits.get(where["trait"]) == where["eq"])
    if "consent" in where:
        return where["consent"] in facts.allowed
    if "seen" in where:
        seen = sorted(at for _, at in facts.events)[:: 1 if where["seen"] == "first" else -1]
        return any(now - int(where["within"][:-1]) * S < at <= now for at in seen[:1])
    instants = [at for name, at in facts.events if name == where["event"]]
    if "within" in where:
        length = int(where["within"][:-1]) * S
        instants = [at for at in instants if now - length < at <= now]
    operators = {"eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    return all(eval(f"{len(instants)} {operators[op]} {n}") for op, n in where["count"].items())


@given(trees, events, st.integers(0, 1), st.integers(40, 80))
def test_every_answer_and_every_until_equals_the_slow_evaluator(
    where: dict[str, Any], happened: list[tuple[str, int]], trait: int, second: int
) -> None:
    facts = History(happened, {"t": trait}, ("email",))
    condition, now = parse(where), second * S
    outcome = evaluate(condition, facts, now)
    assert outcome.holds == slowly(where, facts, now)
    horizon = outcome.until if outcome.until is not None else now + 100 * S
    for instant in range(now, horizon, S):
        assert slowly(where, facts, instant) == outcome.holds, (instant, outcome)
    assert slowly(where, facts, horizon - 1) == outcome.holds
