"""Journeys over random histories: never two of one cause, nothing to whom nothing may be sent."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activation.campaigns import model, results
from activation.campaigns.model import (
    Campaign,
    Goal,
    Journey,
    Start,
    advance,
    begin,
    held_out,
    reach,
)
from activation.campaigns.program import Jump, Pause, Send, Unless, compiled

HOUR, DAY = 3_600_000_000, 86_400_000_000
WHO = b"p" * 16


def send(name: str) -> dict[str, Any]:
    return {"send": {"template": name, "channels": ("mail",)}}


def campaign(*steps: dict[str, Any], **more: Any) -> Campaign:
    program = compiled(steps or [send("a")])
    return Campaign("c", 1, "entered", "carts", "marketing", program, **more)


def test_steps_are_compiled_to_operations() -> None:
    fork = {"if": "buyers", "then": [send("thanks")], "else": [{"wait": HOUR}, send("cart")]}
    assert compiled([{"wait": DAY}, fork, send("end")]) == (
        Pause(DAY),
        Unless("buyers", 4),
        Send(1, "thanks", ("mail",)),
        Jump(6),
        Pause(HOUR),
        Send(2, "cart", ("mail",)),
        Send(3, "end", ("mail",)),
    )
    assert compiled([{"if": "x", "then": [send("a")], "else": []}]) == (
        Unless("x", 2),
        Send(1, "a", ("mail",)),
    )


STEPS = st.recursive(
    st.lists(
        st.one_of(
            st.sampled_from(["a", "b"]).map(send),
            st.sampled_from([HOUR, DAY]).map(lambda length: {"wait": length}),
        ),
        max_size=3,
    ),
    lambda inner: st.lists(
        st.one_of(
            st.just(send("c")),
            st.fixed_dictionaries({"if": st.sampled_from("xy"), "then": inner, "else": inner}),
        ),
        max_size=3,
    ),
    max_leaves=6,
)


def walked(steps: list[dict[str, Any]], inside: frozenset[str], at: int) -> list[tuple[int, str]]:
    """What is sent and when, by walking the tree: the obvious way."""
    found: list[tuple[int, str]] = []

    def walk(steps: list[dict[str, Any]], at: int) -> int:
        for step in steps:
            if "send" in step:
                found.append((at, step["send"]["template"]))
            elif "wait" in step:
                at += step["wait"]
            else:
                at = walk(step["then"] if step["if"] in inside else step["else"], at)
        return at

    walk(steps, at)
    return found


@given(STEPS, st.frozensets(st.sampled_from("xy")), st.lists(st.integers(0, 5 * DAY), max_size=20))
def test_a_journey_sends_what_its_steps_say_when_they_say_so(
    steps: list[dict[str, Any]], inside: frozenset[str], looks: list[int]
) -> None:
    """However often, and when, it is looked at; what was late is not sent twice."""
    made = Campaign("c", 1, "entered", "carts", "marketing", compiled(steps))
    journey = begin(made, Start("c", WHO, "e", 0), [], inside)
    found: list[tuple[int, str]] = []
    for now in [*sorted(looks), 10**15]:
        due = journey.due
        for place, each in advance(made, journey, inside, now):
            assert due is not None
            assert due <= now
            assert made.program[place] == each
            found.append((now, each.template))
    wanted = walked(steps, inside, 0)
    assert [name for _, name in found] == [name for _, name in wanted]
    for (now, _), (at, _) in zip(found, wanted, strict=True):
        assert now >= at
        assert now == min(look for look in [*sorted(looks), 10**15] if look >= at)
    assert journey.state == "finished"


@given(
    st.lists(st.tuples(st.integers(0, 20 * DAY), st.integers(0, 5)), max_size=15),
    st.sampled_from([None, DAY, 7 * DAY]),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from(["", "vip"]),
    st.sampled_from(["", "buyers"]),
    st.frozensets(st.sampled_from(["vip", "buyers"])),
)
def test_rules_of_beginning_hold_over_any_history(
    starts: list[tuple[int, int]],
    again: int | None,
    paused: bool,
    holdout: float,
    audience: str,
    exclude: str,
    inside: frozenset[str],
) -> None:
    made = campaign(
        {"wait": HOUR},
        send("a"),
        again=again,
        paused=paused,
        holdout=holdout,
        audience=audience,
        exclude=exclude,
    )
    journeys: dict[bytes, Journey] = {}
    messages = 0
    for at, cause in sorted(starts):
        for each in journeys.values():
            messages += len(advance(made, each, inside, at))
        found = begin(made, Start("c", WHO, str(cause), at), journeys.values(), inside)
        journeys.setdefault(found.id, found)
    for each in journeys.values():
        messages += len(advance(made, each, inside, 10**15))
    begun = [each for each in journeys.values() if each.state != "refused"]
    assert len(journeys) == len({cause for _, cause in starts})  # one of each cause
    assert messages == (0 if held_out(made, WHO) else len(begun))
    if paused or (audience and audience not in inside) or (exclude and exclude in inside):
        assert begun == []
    times = sorted(each.at for each in begun)
    if again is None:
        assert len(times) <= 1
    else:
        assert all(b - a >= again for a, b in itertools.pairwise(times))
    assert all(each.reason for each in journeys.values() if each.state == "refused")


@given(st.integers(0, 10 * DAY), st.booleans())
def test_a_goal_counts_once_within_its_window(at: int, leaves: bool) -> None:
    made = campaign({"wait": 30 * DAY}, goal=Goal("Order Completed", 7 * DAY, leaves))
    journey = begin(made, Start("c", WHO, "e", DAY), [], ())
    within = DAY <= at <= 8 * DAY
    assert reach(made, journey, at) == within
    assert not reach(made, journey, at)
    assert (journey.converted_at == at) == within
    assert (journey.state == "left") == (within and leaves)


def test_a_share_is_held_out_and_always_the_same() -> None:
    made = campaign(holdout=0.2)
    people = [number.to_bytes(16) for number in range(20_000)]
    held = [who for who in people if held_out(made, who)]
    assert 3_800 < len(held) < 4_200
    other = Campaign("d", 1, "entered", "carts", "marketing", (), holdout=0.2)
    both = sum(held_out(other, who) for who in held)
    assert 650 < both < 950  # of another campaign another fifth


def test_who_is_excluded_meanwhile_leaves() -> None:
    made = campaign({"wait": DAY}, send("a"), exclude="buyers")
    journey = begin(made, Start("c", WHO, "e", 0), [], ())
    assert advance(made, journey, (), HOUR) == []
    assert advance(made, journey, {"buyers"}, 2 * DAY) == []
    assert (journey.state, journey.reason) == ("left", "in buyers")


@pytest.mark.parametrize(
    ("some", "of", "low", "high"),
    [(10, 100, 0.0552, 0.1744), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],
)
def test_shares_have_wilsons_interval(some: int, of: int, low: float, high: float) -> None:
    found = results.share(some, of)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_uplift_has_newcombes_interval() -> None:
    """The example of Newcombe (1998), Statistics in Medicine 17, table II: 56/70 and 48/80."""
    found = results.uplift(results.share(56, 70), results.share(48, 80))
    assert found is not None
    assert (round(found.by, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)
    assert results.uplift(results.share(1, 2), results.share(0, 0)) is None


def test_ids_follow_from_causes() -> None:
    assert model.journey_id("c", WHO, "e") == model.journey_id("c", WHO, "e")
    assert model.journey_id("c", WHO, "e") != model.journey_id("c", WHO, "f")
