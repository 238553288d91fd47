"""Fragments fold and join to the same value whatever the order."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event, Identifier
from profiles import fragment
from profiles.fragment import Fragment
from profiles.language.conditions import counters
from profiles.language.parsing import parse
from profiles.model import join

ORDERS = {"event": "order", "where": [{"property": "revenue", "gt": 5}], "within": "7d"}
KEPT = fragment.counting([(7, next(counters(parse(ORDERS))))])


def event(number: int, kind: str, **fields: Any) -> Event:
    at = fields.pop("at", number)
    return Event(SCHEMA, kind, number.to_bytes(16), 1, str(number), at, 10**9, **fields)  # type: ignore[arg-type]


def folded(events: list[Event]) -> Fragment:
    made = fragment.empty()
    for each in events:
        named = [Identifier("user_id", each.user_id)] if each.user_id else []
        fragment.fold(made, each, named, KEPT)
    return made


def profile(*fragments: Fragment) -> Any:
    by_subject = {bytes((number,)): each for number, each in enumerate(fragments)}
    return join(by_subject, lambda namespace, value: True)


def test_the_latest_value_of_a_trait_counts_not_the_last_to_arrive() -> None:
    late = event(1, "identify", traits={"city": "Paris"}, at=50)
    early = event(2, "identify", traits={"city": "London", "age": 30}, at=40)
    assert profile(folded([late, early])).traits == {"age": 30, "city": "Paris"}


def test_null_takes_a_trait_away_until_it_is_set_again() -> None:
    events = [
        event(1, "identify", traits={"city": "Paris"}, at=10),
        event(2, "identify", traits={"city": None}, at=20),
    ]
    assert profile(folded(events)).traits == {}
    events.append(event(3, "identify", traits={"city": "Rome"}, at=30))
    assert profile(folded(events)).traits == {"city": "Rome"}


def test_traits_may_come_in_the_context_but_the_calls_own_win() -> None:
    call = event(1, "identify", traits={"a": 1}, context={"traits": {"a": 2, "b": 3}})
    assert profile(folded([call])).traits == {"a": 1, "b": 3}
    track = event(2, "track", name="x", context={"traits": {"a": 9}})
    assert profile(folded([call, track])).traits == {"a": 1, "b": 3}


def test_group_traits_belong_to_the_group() -> None:
    call = event(1, "group", group_id="g", traits={"name": "Engines"})
    assert profile(folded([call])).groups == {"g": {"name": "Engines"}}
    assert profile(folded([call])).traits == {}


def test_what_happened_after_it_was_received_happened_when_it_was_received() -> None:
    call = Event(SCHEMA, "track", b"1", 1, "m", timestamp=500, received_at=100, name="x")
    assert profile(folded([call])).last_seen == 100


def test_a_window_keeps_the_newest_and_counts_all() -> None:
    orders = [event(n, "track", name="order", properties={"revenue": 9}) for n in range(100)]
    window = folded(orders).windows["7"]
    assert window.count == 100
    assert window.newest == list(range(84, 100))


def test_counters_that_nobody_asks_for_go() -> None:
    made = folded([event(1, "track", name="order", properties={"revenue": 9})])
    fragment.keep_only(made, fragment.counting([]))
    assert made.windows == {}


calls = st.lists(
    st.builds(
        lambda n, kind, who, at, value: event(
            n,
            kind,
            user_id=who,
            at=at,
            name="order" if kind == "track" else "",
            group_id="g" if kind == "group" else "",
            traits={"t": value, f"t{value}": n},
            properties={"revenue": value},
        ),
        st.integers(1, 10_000),
        st.sampled_from(["track", "identify", "group", "page"]),
        st.sampled_from(["u1", "u2", ""]),
        st.integers(1, 30),
        st.integers(0, 9),
    ),
    unique_by=lambda e: e.id,
    min_size=1,
    max_size=30,
)


@given(calls, st.randoms(use_true_random=False))
def test_folding_is_the_same_in_any_order(events: list[Event], shuffler: random.Random) -> None:
    expected = fragment.encode(folded(events))
    shuffled = list(events)
    shuffler.shuffle(shuffled)
    assert fragment.encode(folded(shuffled)) == expected
    assert fragment.encode(fragment.decode(expected)) == expected


@given(calls, st.data())
def test_what_was_recorded_in_error_leaves_only_what_somebody_is_called(
    events: list[Event], data: st.DataObject
) -> None:
    wrong = set(data.draw(st.lists(st.sampled_from([each.id for each in events]))))
    made = fragment.empty()
    made.corrected = wrong
    holds = [each for each in events if each.id not in wrong]
    expected = folded(holds)
    for each in data.draw(st.permutations(events)):
        named = [Identifier("user_id", each.user_id)] if each.user_id else []
        fragment.fold(made, each, named, KEPT)
    assert fragment.decode(fragment.encode(made)) == made
    assert {name for each in made.identifiers.values() for name in each} == {
        each.user_id for each in events if each.user_id
    }
    expected.identifiers, expected.corrected = made.identifiers, wrong
    assert made == expected
    assert fragment.encode(made) == fragment.encode(expected)
    assert fragment.has_happened(made) == bool(holds)


@given(calls, st.randoms(use_true_random=False))
def test_joining_is_the_same_however_events_are_spread_over_fragments(
    events: list[Event], shuffler: random.Random
) -> None:
    parts: list[list[Event]] = [[], [], []]
    for each in events:
        shuffler.choice(parts).append(each)
    fragments = [folded(part) for part in parts if part]
    whole = profile(folded(events))
    assert profile(*fragments) == whole
    shuffler.shuffle(fragments)
    assert profile(*fragments) == whole


def test_hours_are_told_where_they_live() -> None:
    hour = 3600 * 1_000_000

    def seen(number: int, kind: Any, at: int, **fields: Any) -> Event:
        return Event(SCHEMA, kind, number.to_bytes(16), 1, str(number), at, at, **fields)

    events = [
        seen(1, "track", 9 * hour, name="a", context={"timezone": "Europe/Berlin"}),
        seen(2, "page", 33 * hour + 1, context={"timezone": "no such place"}),
        seen(3, "page", 23 * hour),
    ]
    apart = profile(folded(events[:1]), folded(events[1:]))
    assert (apart.timezone, apart.active_hours) == ("Europe/Berlin", {0: 1, 10: 2})
    moved = [*events, seen(4, "identify", 40 * hour, traits={"timezone": "America/New_York"})]
    there = profile(folded(moved))
    assert (there.timezone, there.active_hours) == ("America/New_York", {4: 2, 18: 1})
