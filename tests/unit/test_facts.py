"""Conditions over fragments as they lie say what conditions over the whole history say."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event
from profiles import fragment
from profiles.facts import Facts, Sight, Somebody
from profiles.fragment import Fragment, Tally, Window
from profiles.language.conditions import counters
from profiles.language.counters import Counter
from profiles.language.evaluating import evaluate
from profiles.language.parsing import parse
from tests.support.plain import Plain

S = 1_000_000
CONDITIONS = [
    {"event": "order"},
    {"event": "order", "count": {"gte": 3}, "within": "20s"},
    {"event": "order", "where": [{"property": "revenue", "gt": 5}], "count": {"lt": 2}},
    {"event": "order", "where": [{"property": "cart.size", "gte": 2}], "within": "9s"},
    {"event": "page", "count": {"eq": 0}, "within": "5s"},
    {"trait": "city", "eq": "Paris"},
    {"trait": "address.zip", "exists": True},
    {"seen": "first", "within": "20s"},
    {"seen": "last", "within": "20s"},
    {"consent": "email"},
]
PARSED = [parse(each) for each in CONDITIONS]
NUMBERED = list(enumerate(dict.fromkeys(c for each in PARSED for c in counters(each))))
NUMBERS = {counter.key: str(number) for number, counter in NUMBERED}
ALLOWED = {"email": True, "push": False}
KEPT = fragment.counting(NUMBERED)


def event(number: int, kind: str, at: int, **fields: Any) -> Event:
    made = (SCHEMA, kind, number.to_bytes(16), 1, str(number), at * S, 10**9 * S)
    return Event(*made, **fields)  # type: ignore[arg-type]


def folded(events: list[Event]) -> Fragment:
    made = fragment.empty()
    for each in events:
        fragment.fold(made, each, [], KEPT)
    return made


class History(Plain):
    """Facts read from the whole list of events, each time anew."""

    def __init__(self, events: list[Event]) -> None:
        self.events = sorted(events, key=lambda each: (each.at, each.id))

    def trait(self, name: str) -> Any:
        traits: dict[str, Any] = {}
        for each in self.events:
            traits |= each.traits if each.type == "identify" else {}
        first, _, rest = name.partition(".")
        found = traits.get(first)
        return found.get(rest) if rest and isinstance(found, dict) else None if rest else found

    def tally(self, name: str) -> Tally | None:
        done = [each.at for each in self.events if fragment.event_name(each) == name]
        return Tally(len(done), done[0], done[-1]) if done else None

    def window(self, counter: Counter) -> Window | None:
        counted = [
            each.at
            for each in self.events
            if fragment.event_name(each) == counter.event
            and all(_passes(each.properties, f.property, f.tests[0]) for f in counter.filters)
        ]
        return Window(len(counted), counted) if counted else None

    def seen(self, which: str) -> int | None:
        done = [each.at for each in self.events if fragment.event_name(each)]
        return (min if which == "first" else max)(done, default=None)

    def allows(self, purpose: str) -> bool:
        return purpose == "email"


def _passes(properties: dict[str, Any], name: str, test: tuple[str, Any]) -> bool:
    value: Any = properties
    for part in name.split("."):
        value = value.get(part, -1)
    return bool(value > test[1] if test[0] == "gt" else value >= test[1])


happened = st.lists(
    st.one_of(
        st.builds(
            lambda at, revenue, size: ("track", at, {"revenue": revenue, "cart": {"size": size}}),
            st.integers(0, 40),
            st.integers(0, 9),
            st.integers(0, 4),
        ),
        st.builds(lambda at: ("page", at, {}), st.integers(0, 40)),
        st.builds(
            lambda at, city, zip_: ("identify", at, {"city": city, "address": zip_}),
            st.integers(0, 40),
            st.sampled_from(["Paris", "Rome", None]),
            st.sampled_from([{"zip": 1}, {}, "text", None]),
        ),
    ),
    max_size=25,
)


def made(number: int, what: tuple[str, int, dict[str, Any]]) -> Event:
    kind, at, values = what
    if kind == "identify":
        return event(number, kind, at, traits=values)
    return event(number, kind, at, name="order" if kind == "track" else "", properties=values)


@given(happened, st.integers(0, 60), st.randoms(use_true_random=False))
def test_fragments_answer_what_the_history_answers(
    said: list[tuple[str, int, dict[str, Any]]], now: int, shuffler: random.Random
) -> None:
    events = [made(number, what) for number, what in enumerate(said)]
    parts: list[list[Event]] = [[], [], []]
    for each in events:
        shuffler.choice(parts).append(each)
    for part in parts:
        shuffler.shuffle(part)
    facts = Facts([folded(part) for part in parts if part], NUMBERS, Somebody(ALLOWED))
    history = History(events)
    for condition in PARSED:
        assert evaluate(condition, facts, now * S) == evaluate(condition, history, now * S)


SIGNALS = {"sale": frozenset({"sale", "ads"}), "email": frozenset({"email"})}
stamps = st.sampled_from([(), (), ("ads",), ("ads", "email"), ("other",), ("sale",)])


@given(happened, st.lists(stamps, min_size=25, max_size=25), st.randoms(use_true_random=False))
def test_a_purpose_sees_nothing_of_events_that_deny_it(
    said: list[tuple[str, int, dict[str, Any]]],
    denied: list[tuple[str, ...]],
    shuffler: random.Random,
) -> None:
    events = [(made(number, what), denied[number]) for number, what in enumerate(said)]
    one = fragment.empty()
    for each, stamp in shuffler.sample(events, len(events)):
        fragment.fold(one, each, [], KEPT, stamp)
    sight = Sight([fragment.decode(fragment.encode(one))], NUMBERS, SIGNALS, Somebody(ALLOWED))
    for purpose in (*SIGNALS, "a purpose of tomorrow"):
        without = SIGNALS.get(purpose, frozenset())
        history = History([each for each, stamp in events if without.isdisjoint(stamp)])
        for condition in PARSED:
            expected = evaluate(condition, history, 50 * S)
            assert evaluate(condition, sight(purpose), 50 * S) == expected
