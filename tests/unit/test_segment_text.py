"""Conditions as a line of text and as a sentence: the text reads back as the same tree."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.errors import Invalid
from cdp.forms import load
from profiles.language.schema import SegmentSchema
from profiles.language.text.reading import Unclear, tree
from profiles.language.text.telling import sentence
from profiles.language.text.writing import normal, text

WORDS = st.sampled_from(["country", "plan.name", "in", "and", "a b", "ß"])
NAMES = WORDS | st.text("a.'-1", min_size=1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.text() | st.booleans() | st.integers(-(1 << 62), 1 << 62) | FLOATS
TESTS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("eq", "ne", "gt", "gte", "lt", "lte", "contains"), SCALARS),
    "in": st.lists(SCALARS, min_size=1, max_size=3),
    "exists": st.booleans(),
}
COUNTS = dict.fromkeys(("eq", "ne", "gt", "gte", "lt", "lte"), st.integers(0, 1000))


def some(tests: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """At least one of these comparisons."""
    return st.lists(st.sampled_from(sorted(tests)), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: tests[name] for name in names})
    )


def named(field: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda name, tests: {field: name, **tests}, NAMES, some(TESTS))


EVENTS = st.fixed_dictionaries(
    {"event": st.text(min_size=1)},
    optional={
        "where": st.lists(named("property"), max_size=2),
        "count": some(COUNTS),
        "within": st.sampled_from(["30s", "15m", "48h", "7d", "1w"]),
    },
)
SEEN = st.fixed_dictionaries(
    {"seen": st.sampled_from(["first", "last"]), "within": st.sampled_from(["30s", "7d"])}
)
TREES = st.recursive(
    st.one_of(named("trait"), EVENTS, SEEN, st.builds(lambda name: {"consent": name}, NAMES)),
    lambda inner: st.one_of(
        st.builds(lambda of: {"all": of}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda of: {"any": of}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda of: {"not": of}, inner),
    ),
    max_leaves=8,
)


@given(TREES)
def test_what_is_written_reads_back_as_the_same(where: dict[str, Any]) -> None:
    assert tree(text(where)) == normal(where)
    assert text(normal(where)) == text(where)
    assert sentence(where) == sentence(normal(where))


LINES = {
    "count('Order Completed' where revenue > 50, 90d) >= 2 and trait.country in ('DE', 'AT')": (
        "People who did “Order Completed” (where revenue is greater than 50) at least twice in"
        " the last 90 days, and whose country is “DE” or “AT”."
    ),
    "not count('X') >= 1 and (trait.age is (>= 30 and <= 45) or trait.'a b' missing)": (
        "People who never did “X”, and (whose age is at least 30 and is at most 45, or whose a b"
        " is not known)."
    ),
    "count('Cart', 1d) = 0 or count('Cart') is (!= 1 and < 9)": (
        "People who did not do “Cart” in the last day, or who did “Cart” any number of times but"
        " once and less than 9 times."
    ),
    "first_seen within 1d and not last_seen within 2h and consent.a or not consent.b": (
        "People (who were first seen in the last day, and who were not last seen in the last 2"
        " hours, and who allow a), or who do not allow b."
    ),
    "not (trait.vip = true and trait.tags contains 'it''s')": (
        "People but not those (whose vip is true, and whose tags contains “it's”)."
    ),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_stays_as_it_was_written_and_reads_as_english(line: str) -> None:
    assert text(tree(line)) == line
    assert sentence(tree(line)) == LINES[line]


def test_case_space_and_what_goes_without_saying() -> None:
    plain = tree("count('A') AND\n NOT trait . x=-1.5e3 Or ((count('B',7d)>=1))")
    assert text(plain) == "count('A') >= 1 and not trait.x = -1500.0 or count('B', 7d) >= 1"
    deep = "(" * 5000 + "trait.a = 1" + ")" * 5000
    assert tree(deep) == {"trait": "a", "eq": 1}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "trait.country",
            "At the end: expected = != > >= < <=, as, before, after, contains, starts_with,",
        ),
        (
            "country = 'DE'",
            "At character 1, “country = 'DE'”: expected (, computed, consent, count, days,",
        ),
        ("count('A', 7x) > 1", "At character 12, “7x) > 1”: expected a duration like 7d, a time"),
        ("trait.a = 1 trait.b = 2", "At character 13, “trait.b = 2”: expected and, or, the end."),
        (
            "trait.a = 'b",
            "At character 11, “'b”: expected a 'text', a duration like 7d, a number, false, true.",
        ),
        ("trait.a is (> 1 and > 2)", "compares twice in the same way"),
        ("trait.a = '" + "x" * 20_000 + "'", "Longer than 20,000 characters: write it as JSON."),
    ],
)
def test_what_cannot_be_read_says_where_and_what_would_help(line: str, told: str) -> None:
    with pytest.raises(Unclear, match=re.escape(told)):
        tree(line)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("trait.a =", "where: At the end: expected"),
        ("count('A') >= 1001", "where.count.gte: Must be greater than or equal to 0 and less"),
        ("not " * 20 + "trait.a = 1", "Conditions may nest 16 deep."),
    ],
)
def test_a_segment_takes_a_line_and_checks_it_like_a_tree(line: str, told: str) -> None:
    good = msgspec.json.encode({"name": "A", "where": "trait.a = 1"})
    assert load(SegmentSchema(), good)[0]["where"] == {"trait": "a", "eq": 1}
    with pytest.raises(Invalid, match=re.escape(told)):
        load(SegmentSchema(), msgspec.json.encode({"name": "A", "where": line}))
