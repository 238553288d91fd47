"""An explanation says what the evaluation says, and names what that rests on."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.language.evaluating import evaluate
from profiles.language.explaining import Deed, Explanation, because, explain, missing
from profiles.language.parsing import parse
from profiles.language.text.reading import tree
from tests.unit.test_conditions import History, S, events, trees


def deeds(happened: list[tuple[str, int]]) -> list[Deed]:
    made = [Deed(at, bytes([n]), name, {}) for n, (name, at) in enumerate(happened)]
    return sorted(made, key=lambda deed: deed[:2])


def nodes(node: Explanation) -> list[Explanation]:
    return [node, *(each for inner in node.of for each in nodes(inner))]


@given(trees, events, st.integers(0, 1), st.integers(40, 80))
def test_every_node_tells_its_own_truth(
    where: dict[str, Any], happened: list[tuple[str, int]], trait: int, second: int
) -> None:
    facts, now = History(happened, {"t": trait}, ("email",)), second * S
    found = explain(where, facts, deeds(happened), now)
    assert (found.holds, found.until) == evaluate(parse(where), facts, now)

    def holds(text: str) -> bool:
        return evaluate(parse(tree(text)), facts, now).holds

    for node in nodes(found):
        assert holds(node.text) == node.holds
        if node.holds:
            assert all(holds(each) for each in because(node))
        else:
            assert not any(holds(each) for each in missing(node))
            assert missing(node)


@given(events, st.integers(1, 60), st.integers(40, 80))
def test_a_count_is_told_with_the_events_that_were_counted(
    happened: list[tuple[str, int]], seconds: int, second: int
) -> None:
    now, where = second * S, {"event": "a", "within": f"{seconds}s", "count": {"gte": 1}}
    found = explain(where, History(happened), deeds(happened), now)
    inside = [at for name, at in happened if name == "a" and now - seconds * S < at <= now]
    assert found.value == len(inside)
    assert [each.at for each in found.deeds] == sorted(inside)[-20:]
    assert found.holds == bool(inside)


def test_what_is_missing_is_the_least_of_it() -> None:
    line = "trait.t = 1 and (consent.push or count('a') >= 3) and not count('b') >= 1"
    found = explain(tree(line), History([("b", 1)], {"t": 1}), deeds([("b", 1)]), 9 * S)
    assert missing(found) == ["consent.push or count('a') >= 3", "not count('b') >= 1"]
    assert [(each.value, len(each.deeds)) for each in found.of] == [(1, 0), (None, 0), (1, 1)]
    either = explain(tree("consent.email or consent.push"), History([], {}, ("email",)), [], 0)
    assert because(either) == ["consent.email"]
