"""Evaluating only what can have changed gives what evaluating everything gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event, Identifier
from profiles import fragment, verdicts
from profiles.facts import Sight, Somebody, numbered
from profiles.fragment import Counting, Fragment
from profiles.language.aspects import Aspect
from profiles.language.conditions import counters
from profiles.language.parsing import parse
from profiles.model import Definition, evaluate_all
from profiles.verdicts import Case, Verdicts
from tests.unit.test_language import BASE, KNOWN, M, trees

MARK = "{0[0]} {0[1]}".format
THEIR = b"p" * 16
MODELLED = KNOWN._replace(computed={**KNOWN.computed, "tribe": {"predicted": "tribes"}})
steps = st.lists(
    st.one_of(
        st.tuples(st.just("track"), st.sampled_from(["a", "b", "c"]), st.integers(0, 2)),
        st.tuples(st.just("late"), st.sampled_from(["a", "b", "c"]), st.integers(1, 2_000)),
        st.tuples(st.just("identify"), st.sampled_from(["t", "u"]), st.sampled_from([1, "x", "3"])),
        st.tuples(st.just("moved"), st.sampled_from(["Europe/Berlin", "America/New_York"])),
        st.tuples(st.just("email"), st.sampled_from(["x@example.com", "y@example.com"])),
        st.tuples(st.just("time")),
        st.tuples(st.just("allowed"), st.sampled_from(["email", "push"])),
    ),
    max_size=8,
)


@pytest.fixture(autouse=True)
def many() -> Iterator[None]:
    """However few there are, what was found is looked up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verdicts, "FEW", 0)
        yield


def mark(aspect: Aspect) -> bytes:
    return MARK(aspect).encode()


def event_of(number: int, step: tuple[Any, ...], now: int) -> Event | None:
    about: dict[str, Any] = {}
    match step:
        case ("track" | "late" as how, name, count):
            at = now if how == "track" else now - count * M
            about = {"name": name, "properties": {"p": count, "q": "x"}}
            return Event(SCHEMA, "track", number.to_bytes(7) + bytes(9), 1, "", at, now, **about)
        case ("identify", name, value):
            about = {"traits": {name: value}}
        case ("moved", zone):
            about = {"context": {"timezone": zone}}
        case ("email", _):
            pass
        case ("predict", value):
            about = {"model": "tribes", "number": 3, "version": 1, "purpose": "all", "value": value}
            about = {"properties": about}
            return Event(SCHEMA, "predict", bytes(16), 1, "", now, now, **about)
        case _:
            return None
    return Event(SCHEMA, "identify", number.to_bytes(7) + bytes(9), 1, "", now, now, **about)


class Person:
    """Somebody whose fragment grows, judged anew after every step."""

    def __init__(self, wheres: list[dict[str, Any]]) -> None:
        conditions = [parse(where, MODELLED) for where in wheres]
        self.definitions = [
            Definition(n + 5, f"s{n}", ("all", "email")[n % 2], each)
            for n, each in enumerate(conditions)
        ]
        needed = dict.fromkeys(counter for each in conditions for counter in counters(each))
        inner = [parse(where, KNOWN) for _, where in KNOWN.segments.values()]
        needed |= dict.fromkeys(counter for each in inner for counter in counters(each))
        self.kept: Counting = fragment.counting(list(enumerate(needed)))
        self.numbers = {counter.key: str(number) for number, counter in enumerate(needed)}
        self.numbers[numbered("tribes")] = "3"
        self.fragment: Fragment = fragment.empty()
        self.granted = {"all": True, "email": True, "push": False}
        self.inside: set[int] = set()
        self.verdicts = Verdicts(self.definitions, mark)

    def sight(self) -> Sight:
        return Sight([self.fragment], self.numbers, {}, Somebody(self.granted))

    def step(self, number: int, step: tuple[Any, ...], now: int) -> frozenset[bytes]:
        if step[0] == "allowed":
            self.granted = self.granted | {step[1]: not self.granted[step[1]]}
        event = event_of(number, step, now)
        if event is None:
            return frozenset()
        named = [Identifier("email", step[1])] if step[0] == "email" else []
        return frozenset(map(mark, fragment.fold(self.fragment, event, named, self.kept)))

    def judged(self, changed: frozenset[bytes], version: int, now: int) -> tuple[set[int], Any]:
        ground = hash(frozenset(self.granted.items()))
        case = Case(
            THEIR, self.sight(), self.granted, self.inside, changed, version, ground
        )  # fmt: skip
        found = self.verdicts.judge(case, now)
        self.inside = found.member_of
        return found


@given(st.lists(trees, min_size=1, max_size=5), steps, st.integers(1, 3000))
def test_what_cannot_have_changed_is_as_it_was(
    wheres: list[dict[str, Any]], done: list[tuple[Any, ...]], pause: int
) -> None:
    person, version = Person(wheres), 0
    for number, step in enumerate([("track", "a", 1), *done, ("time",)], 1):
        now = BASE + number * pause * M
        changed = person.step(number, step, now)
        found = person.judged(changed, version, now)
        assert found == evaluate_all(person.definitions, person.sight(), person.granted, now)
        version = now


EVENING = [(170, ("track", "a", 1)), (190, ("track", "a", 1))]  # either side of Tokyo's midnight
ONCE = [(0, ("track", "a", 1))]
GONE = [*ONCE, (61, ("time",))]
_B = ("late", "b", 150)
TWO_DAYS = {"event": "a", "days": {"gte": 2}}
TODAY = {"event": "a", "count": {"gte": 2}, "during": "today"}


@pytest.mark.parametrize(
    ("where", "before", "step"),
    [
        ({"trait": "t", "eq": 1}, ONCE, ("identify", "t", 1)),
        ({"trait": "u.v", "eq": 1}, ONCE, ("identify", "u", {"v": 1})),
        ({"identifier": "email", "exists": True}, ONCE, ("email", "x@example.com")),
        ({"event": "a", "count": {"gte": 2}}, ONCE, ("track", "a", 1)),
        ({"sequence": [{"event": "a"}, {"event": "b"}], "count": {"gte": 1}}, ONCE, _B),
        ({"sequence": [{"event": "a"}, {"no": "b", "for": "1h"}], "count": {"gte": 1}}, GONE, _B),
        ({"seen": "last", "within": "10m"}, [*ONCE, (11, ("time",))], ("track", "c", 1)),
        ({"seen": "first", "within": "1w"}, ONCE, ("late", "b", 20_000)),
        (TWO_DAYS, EVENING, ("moved", "Asia/Tokyo")),
        (TODAY, EVENING, ("moved", "Asia/Tokyo")),
        (TWO_DAYS, EVENING, ("identify", "timezone", "Asia/Tokyo")),
        (TODAY, EVENING, ("identify", "timezone", "Asia/Tokyo")),
        ({"computed": "tribe", "eq": "c1"}, ONCE, ("predict", "c1")),
        ({"segment": "busy"}, EVENING, ("allowed", "push")),
        ({"consent": "push"}, ONCE, ("allowed", "push")),
    ],
)
def test_whatever_it_rests_on(
    where: dict[str, Any], before: list[tuple[int, tuple[Any, ...]]], step: tuple[Any, ...]
) -> None:
    person, version = Person([where]), 0
    for number, (minute, each) in enumerate(before, 1):
        now = BASE + minute * M
        person.judged(person.step(number, each, now), version, now)
        version = now
    was, now = set(person.inside), BASE + 200 * M
    found = person.judged(person.step(99, step, now), version, now)
    assert found == evaluate_all(person.definitions, person.sight(), person.granted, now)
    assert person.inside != was


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    condition = parse({"event": "a"})
    two = [Definition(number, "s", "all", condition) for number in (1, 2)]
    judging = Verdicts(two, mark, size=6)
    for name in "pqrs":
        sight = Sight([fragment.empty()], {}, {})
        judging.judge(Case(name.encode(), sight, {"all": True}, set(), None, None, 0), BASE)
    known = [name for name in "pqrs" if judging.knows(name.encode(), frozenset())]
    assert known == ["q", "r", "s"]


def test_only_what_rests_on_it_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person([{"event": name, "count": {"gte": 2}, "within": "1d"} for name in "abc"])
    asked: list[str] = []

    def told(definitions: Any, *rest: Any) -> Any:
        asked.extend(each.key for each in definitions)
        return evaluate(definitions, *rest)

    evaluate = verdicts.verdicts
    monkeypatch.setattr(verdicts, "verdicts", told)
    person.judged(person.step(1, ("track", "b", 1), BASE), 0, BASE)
    assert asked == ["s0", "s1", "s2"]
    asked.clear()
    person.judged(person.step(2, ("track", "b", 1), BASE + M), BASE, BASE + M)
    assert asked == ["s1"]
    assert person.inside == {6}
    asked.clear()
    person.judged(frozenset(), BASE + M, BASE + 24 * 60 * M)
    assert asked == ["s1"], "which had come to its time"
    assert person.inside == set()
    asked.clear()
    person.judged(frozenset(), BASE, BASE + 25 * 60 * M)
    assert asked == ["s0", "s1", "s2"], "somebody else evaluated meanwhile"
