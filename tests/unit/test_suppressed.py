"""The suppression list as a process holds it, and whom an event names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event, Identifier
from cdp.log.writing import Fact, fact_of
from cdp.suppression.listed import Suppressed
from cdp.suppression.store import Changes
from identity.identifiers import beside, mentioned, subject

HASH = st.binary(min_size=16, max_size=16)


def named(event: Event) -> tuple[bytes, ...]:
    """Hashes that can be read: the value itself, padded."""
    return tuple(each.value.encode().ljust(16)[:16] for each in beside(event))


def event(kind: str = "track", **fields: Any) -> Event:
    return Event(SCHEMA, kind, b"e" * 16, 1, "m", 10, 10, **fields)  # type: ignore[arg-type]


def listed(*subjects: bytes) -> Suppressed:
    made = Suppressed(named, mentioned)
    made.learn(Changes(len(subjects), b"".join(subjects), b""))
    return made


# All in one place, where they could be mistaken for each other.
CLOSE = st.sets(HASH.map(lambda each: b"\x01\x02" + each[2:]), max_size=20)


@given(st.lists(st.tuples(CLOSE, CLOSE), max_size=5), HASH)
def test_it_holds_what_was_put_in_and_not_taken_out_since(
    changes: Sequence[tuple[set[bytes], set[bytes]]], other: bytes
) -> None:
    made, holds, seen = Suppressed(named, mentioned), set[bytes](), {other}
    for number, (put, out) in enumerate(changes, 1):
        made.learn(Changes(number, b"".join(put - out), b"".join(out)))
        holds, seen = (holds | put) - out, seen | put | out
        assert (made.number, len(made)) == (number, len(holds))
    assert {each for each in seen if each in made} == holds


@pytest.mark.parametrize(
    "told",
    [
        event(user_id="u", anonymous_id="x"),
        event(user_id="u", previous_id="x"),
        event("alias", user_id="u", previous_id="x"),
        event(user_id="u", context={"externalIds": [{"type": "crm", "id": "x"}]}),
        event(user_id="u", context={"device": {"id": "x"}}),
        event("identify", user_id="u", traits={"phone": "x+1"}),
        event(user_id="u", context={"traits": {"phone": "+1"}}),
        event(context={"traits": {"phone": "+1"}}),  # of nobody, as far as identity goes
        event("merge", extra={"mergeProperties": [{"type": "crm", "value": "x"}]}),
        event("link", properties={"identifiers": [["user_id", "u"], ["user_id", "x"]]}),
    ],
)
def test_any_mention_counts(told: Event) -> None:
    fact = fact_of(told, b"u".ljust(16), consent=False)
    suppressed = listed(b"x".ljust(16), b"+1".ljust(16))
    assert suppressed.among([fact]) == {fact.id}
    other = listed(b"y".ljust(16))
    assert other.among([fact]) == frozenset()
    for _ in range(2):  # the second time it is known already
        assert suppressed.look(told, fact.subject) == -1
        assert other.look(told, fact.subject) == other.number == 1
    other.learn(Changes(2, b"x".ljust(16) + b"+1".ljust(16), b""))
    assert other.look(told, fact.subject) == -1
    assert other.among([fact._replace(listed=1)]) == {fact.id}


def test_the_subject_counts_and_a_groups_traits_do_not() -> None:
    fact = fact_of(event(user_id="u"), b"u".ljust(16), consent=False)
    assert listed(b"u".ljust(16)).among([fact]) == {fact.id}
    assert beside(event("group", user_id="u", traits={"email": "info@example.com"})) == []
    assert beside(event("identify", user_id="u", traits={"email": "A@b.c"})) == [
        Identifier("email", "a@b.c")
    ]


def test_as_long_as_nobody_is_suppressed_nothing_is_looked_at() -> None:
    def must_not(event: Event) -> tuple[bytes, ...]:
        raise AssertionError

    fact: Fact = fact_of(event(user_id="u"), b"u".ljust(16), consent=False)
    assert Suppressed(must_not, must_not).among([fact]) == frozenset()


TEXT = st.sampled_from(["", "x", "y", "x@y.z", "+1"])
VALUE = TEXT | st.none() | st.sampled_from([True, 1, 1.0]) | st.lists(TEXT, max_size=1)
FIELDS = st.fixed_dictionaries({}, optional={"email": VALUE, "phone": VALUE})
EVENTS = st.builds(
    event,
    st.sampled_from(["track", "identify", "group", "alias"]),
    user_id=TEXT,
    anonymous_id=TEXT,
    previous_id=TEXT,
    traits=FIELDS,
    context=st.fixed_dictionaries(
        {},
        optional={
            "traits": FIELDS,
            "device": st.fixed_dictionaries({}, optional={"id": VALUE, "token": VALUE}),
            "page": st.just({"path": "/"}),
        },
    ),
)


@given(EVENTS, EVENTS)
def test_events_that_mention_the_same_name_the_same(one: Event, other: Event) -> None:
    if mentioned(one) is not None and mentioned(one) == mentioned(other):
        assert subject(one) == subject(other)
        assert set(beside(one)) == set(beside(other))
