"""Examples are what was known by an instant and what came after, in whatever order it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event, Instant
from profiles.facts import Facts, Somebody
from profiles.fragment import PREDICT, counting, empty, fold
from profiles.language.measuring import reading
from profiles.language.parsing import counter, measure
from profiles.learning.examples import LEAST, Examples, split
from profiles.learning.features import Observation
from profiles.learning.hindsight import Example, Goal, Hindsight, Question, instants

S = 1_000_000
HORIZON = 10 * S
NOW = 100 * S
AT = instants(NOW, HORIZON)
MEASURES = [
    measure({"event": "A", "count": {}}),
    measure({"event": "A", "within": "7s", "count": {}}),
    measure({"event": "A", "sum": {"of": "price"}}),
    measure({"event": "B", "last": {"of": "price"}}),
    measure({"event": "B", "since_last": {}}),
]
COUNTERS = [each.counter for each in MEASURES if each.counter is not None]
DEAR = counter("B", [{"property": "price", "gt": 5}], 16, "instants", "", 0)


def read(facts: Facts, now: Instant) -> Observation:
    found = [reading(each, facts).values(now)[0] for each in MEASURES]
    return Observation({str(n): each for n, each in enumerate(found) if each is not None})


def question(goal: Goal) -> Question:
    return Question(goal, HORIZON, "analytics", COUNTERS, read)


def event(number: int, at: int, name: str, price: int) -> Event:
    identity = number.to_bytes(7) + bytes(9)
    made = (SCHEMA, "track", identity, 1, str(number), at * S, 10**9 * S)
    return Event(*made, name=name, properties={"price": price})  # type: ignore[arg-type]


deeds = st.lists(
    st.tuples(st.integers(20, 115), st.sampled_from("ABC"), st.integers(0, 9), st.booleans()),
    max_size=30,
)


def told(goal: Goal, done: Sequence[Any]) -> list[Example]:
    """What is right, by folding all that had happened at each instant."""
    events = [(event(n, *deed[:3]), b"ab"[deed[3] :][:1]) for n, deed in enumerate(done)]
    needed = [*COUNTERS, DEAR]
    kept, numbers = counting(enumerate(needed)), {c.key: str(n) for n, c in enumerate(needed)}
    rows = []
    for at in AT:
        past = empty()
        for each, _ in events:
            if each.at <= at:
                fold(past, each, (), kept)
        after = [each for each, _ in events if at < each.at <= at + HORIZON]
        if goal == LAPSE:
            asked = any(at - HORIZON < each.at <= at for each, _ in events)
            came = not after
        else:
            asked = any(each.at <= at for each, _ in events)
            came = any(e.name == "B" and e.properties["price"] > goal_least(goal) for e in after)
        if asked:
            rows.append(Example(read(Facts([past], numbers), at), came, at))
    return rows


def goal_least(goal: Goal) -> int:
    return 5 if goal.counter else -1


LAPSE = Goal()
GOALS = [Goal("B"), Goal("B", DEAR), LAPSE]


@given(deeds, st.sampled_from(GOALS), st.randoms())
def test_examples_are_those_of_everything_folded_anew(
    done: list[Any], goal: Goal, order: Any
) -> None:
    arrived = list(enumerate(done))
    order.shuffle(arrived)
    looking = Hindsight(question(goal), AT)
    for number, deed in arrived:  # under either of two identifiers of one person
        looking.add(b"ab"[deed[3] :][:1], event(number, *deed[:3]), ())
    found = list(looking.examples([b"a", b"b"], Somebody(), {}))
    assert found == told(goal, done)


def test_what_comes_after_an_instant_changes_nothing_of_what_was_known() -> None:
    looking, later = (Hindsight(question(Goal("B")), AT) for _ in range(2))
    for each in (looking, later):
        each.add(b"a", event(1, 35, "A", 3), ())
    later.add(b"a", event(2, 41, "A", 3), ())
    before = list(looking.examples([b"a"], Somebody(), {}))
    after = list(later.examples([b"a"], Somebody(), {}))
    assert AT[0] == 40 * S
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(("meant", "known"), [([], (2, True)), (["statistics"], (1, False))])
def test_events_that_deny_the_purpose_are_neither_known_nor_reached(
    meant: list[str], known: tuple[int, bool]
) -> None:
    looking = Hindsight(question(Goal("B")), AT)
    looking.add(b"a", event(1, 35, "A", 3), ())
    looking.add(b"a", event(2, 36, "A", 3), (), ["statistics"])
    looking.add(b"a", event(3, 45, "B", 3), (), ["statistics"])
    signals = {"analytics": frozenset(meant)}
    first = next(looking.examples([b"a"], Somebody(), signals))
    assert (first.known.amounts["0"], first.came) == known


def test_who_is_gone_already_cannot_lapse() -> None:
    looking = Hindsight(question(LAPSE), AT)
    looking.add(b"a", event(1, 45, "A", 3), ())
    found = list(looking.examples([b"a"], Somebody(), {}))
    assert [(each.at, each.came) for each in found] == [(50 * S, True)]


def test_what_a_model_says_of_somebody_is_no_deed_of_theirs() -> None:
    looking = Hindsight(question(LAPSE), AT)
    looking.add(b"a", event(1, 45, "A", 3), ())
    made = (SCHEMA, PREDICT, bytes(16), 1, "2", 55 * S, 10**9 * S)
    said = {"model": "m", "number": 1, "version": 1, "purpose": "analytics", "value": 0.5}
    looking.add(b"a", Event(*made, properties=said), ())  # type: ignore[arg-type]
    found = list(looking.examples([b"a"], Somebody(), {}))
    assert [(each.at, each.came) for each in found] == [(50 * S, True)]


def test_the_instants_are_those_that_a_split_needs() -> None:
    looking = Hindsight(question(Goal("B")), AT)
    people = [bytes([number]) for number in range(4 * LEAST)]
    for number, person in enumerate(people):
        looking.add(person, event(number, 25, "A", 3), ())
        if number % 2:
            for at in AT:
                looking.add(person, event(number, at // S + 5, "B", 3), ())
    found = [e for person in people for e in looking.examples([person], Somebody(), {})]
    values = np.array([[each.known.amounts["0"]] for each in found], dtype=np.float64)
    labels = np.array([each.came for each in found])
    at = np.array([each.at for each in found])
    parts = split(Examples(("A",), values, labels, at), HORIZON)
    assert [sorted(set(part.at)) for part in parts] == [AT[:-2], [AT[-2]], [AT[-1]]]


def test_nobody_gives_no_examples() -> None:
    assert list(Hindsight(question(LAPSE), AT).examples([b"a"], Somebody(), {})) == []
