"""How people stand: by law, by decision, for how long; and that nothing makes it wider."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event
from consent.model import Decision, decisions
from consent.purposes import DAY, DEFAULT_PURPOSES, Purpose
from consent.stamps import GPC
from consent.standing import CONTRADICTION, Ground, Standing, Told, standing, until

NOW = 1_000 * DAY
KEYS = [purpose.key for purpose in DEFAULT_PURPOSES]
GROUND = Ground(DEFAULT_PURPOSES, "", NOW)


def yes(at: int = NOW, signal: str = "marketing_email", **more: Any) -> Decision:
    return Decision(signal, "granted", at, b"y", "api", **more)


def no(at: int = NOW, signal: str = "marketing_email", **more: Any) -> Decision:
    return Decision(signal, "denied", at, b"n", "api", **more)


def state(*told: Told, purpose: str = "marketing_email", home: str = "") -> str:
    return standing(Ground(DEFAULT_PURPOSES, home, NOW), [told])[purpose].state


@pytest.mark.parametrize(
    ("seen_in", "home", "analytics", "sale", "email"),
    [
        ((), "", "denied", "denied", "denied"),
        ((), "US-CA", "granted", "granted", "granted"),
        (("DE",), "US-CA", "denied", "denied", "denied"),
        (("US-CA",), "", "granted", "granted", "granted"),
        (("US-CA", "DE"), "", "denied", "denied", "denied"),
        (("CA",), "DE", "granted", "denied", "denied"),
        (("XX",), "US", "denied", "denied", "denied"),
        (("US-WY",), "", "granted", "granted", "granted"),
    ],
)
def test_without_a_decision_the_law_says(
    seen_in: tuple[str, ...], home: str, analytics: str, sale: str, email: str
) -> None:
    stands = standing(Ground(DEFAULT_PURPOSES, home, NOW), [[Told((), seen_in)]])
    found = [stands[purpose].state for purpose in ("analytics", "sale_or_share", "marketing_email")]
    assert found == [analytics, sale, email]
    assert stands["necessary"].state == "granted"
    assert stands["analytics"].decision is None


def test_a_default_says_whose_law_it_is_and_what_its_basis() -> None:
    stands = standing(GROUND, [[Told((), ("BR",))]])
    assert stands["analytics"].default == ("denied", "consent", "lgpd")


def test_a_place_that_was_stated_counts_before_those_that_were_seen() -> None:
    stated = yes(jurisdiction="US-CA")
    assert state(Told((stated,), ("DE",)), purpose="analytics") == "granted"
    moved = no(NOW + 1, jurisdiction="DE")
    assert state(Told((stated,)), Told((moved,)), purpose="analytics") == "denied"


def test_an_operators_word_counts_before_the_law() -> None:
    everywhere = Purpose("analytics", "A", "granted")
    basis = {"gdpr": ("legitimate_interests", "granted")}
    one_law = Purpose("marketing_email", "M", None, bases=basis)  # type: ignore[arg-type]
    stands = standing(Ground([everywhere, one_law], "", NOW), [[Told((), ("DE",))]])
    assert stands["analytics"] == Standing("granted", None, ("granted", "", ""))  # type: ignore[arg-type]
    assert stands["marketing_email"].default == ("granted", "legitimate_interests", "gdpr")
    elsewhere = standing(Ground([one_law], "", NOW), [[Told((), ("GB",))]])
    assert elsewhere["marketing_email"].state == "denied"


def test_a_purpose_that_no_law_names_needs_a_yes() -> None:
    research = Ground([Purpose("research", "R", None)], "US", NOW)
    assert standing(research, [])["research"].state == "denied"


def test_a_yes_ends_when_it_is_old_and_then_the_law_holds_again() -> None:
    month = Purpose("marketing_email", "M", None, validity_days=30)
    brief, after = Ground([month], "", NOW), Ground([month], "", NOW + 20 * DAY)
    told = [[Told((yes(NOW - 10 * DAY),))]]
    stands = standing(brief, told)
    assert stands["marketing_email"].state == "granted"
    assert until(stands) == NOW + 20 * DAY
    later = standing(after, told)["marketing_email"]
    assert (later.state, later.expired, later.until) == ("denied", True, None)
    assert until(standing(brief, [[Told((no(),))]])) is None


@pytest.mark.parametrize(
    ("apart", "expected"),
    [(0, "denied"), (CONTRADICTION, "denied"), (CONTRADICTION + 1, "granted")],
)
def test_fragments_that_contradict_each_other_within_a_minute_are_a_no(
    apart: int, expected: str
) -> None:
    assert state(Told((no(NOW - apart),)), Told((yes(),))) == expected
    assert state(Told((yes(),)), Told((no(NOW - apart),))) == expected


def test_one_fragment_may_change_its_mind_within_a_minute() -> None:
    assert state(Told((no(NOW - 1), yes()))) == "granted"


def test_a_yes_after_a_browsers_signal_stands_until_another_device_has_it() -> None:
    asked, again = (no(at, GPC) for at in (NOW - 10, NOW + 10))
    said = yes(NOW, "sale_or_share")
    assert state(Told((asked,)), Told((said,)), purpose="sale_or_share") == "granted"
    assert state(Told((asked, said, again)), purpose="sale_or_share") == "granted"
    assert state(Told((asked, said)), Told((again,)), purpose="sale_or_share") == "denied"
    assert state(Told((asked,)), Told(()), home="US", purpose="sale_or_share") == "denied"


def test_a_yes_that_comes_with_the_browsers_no_is_none_of_what_both_mean() -> None:
    stamped = {"categoryPreferences": {"C0004": True, "C0005": True}}
    first, banner, later = (
        decisions(Event(SCHEMA, "track", bytes([at]), 1, "m", at, at, context=context))
        for at, context in (
            (1, {"consent": {GPC: True, **stamped}}),
            (2, {"consent": stamped, GPC: True}),
            (3, {"consent": stamped}),
        )
    )
    ads = Purpose("ads", "Ads", "denied", ("c0005", GPC))
    ground = Ground([*DEFAULT_PURPOSES, ads, Purpose("x", "X", "denied", ("c0005",))], "", NOW)

    def stands(*said: Decision) -> dict[str, str]:
        found = standing(ground, [[Told(said)]])
        return {key: found[key].state for key in ("sale_or_share", "ads", "x")}

    kept = {"sale_or_share": "denied", "ads": "denied", "x": "granted"}
    assert stands(*first) == stands(*first, *banner) == kept
    assert stands(*first, *banner, *later) == dict.fromkeys(kept, "granted")
    assert {each.source for each in banner} == {"stamp under gpc"}
    told = consent_fact(4, "sale_or_share")
    assert stands(*first, *told)["sale_or_share"] == "granted"


def consent_fact(at: int, purpose: str) -> list[Decision]:
    """What somebody told on purpose, in a browser that objects."""
    said = {"purpose": purpose, "state": "granted"}
    event = Event(SCHEMA, "consent", b"f", 1, "m", at, at, properties=said, context={GPC: True})
    return decisions(event)


def test_a_merge_with_who_had_the_signal_before_makes_no_yes() -> None:
    denied_again = Told((yes(NOW, "sale_or_share"), no(NOW + 1, GPC)))
    before = Told((no(NOW - 1, GPC),))
    assert state(denied_again, purpose="sale_or_share") == "denied"
    assert state(denied_again, before, purpose="sale_or_share") == "denied"


def test_whom_only_likeness_joins_must_each_say_yes() -> None:
    mine, theirs = [Told((yes(),))], [Told(())]
    assert standing(GROUND, [mine, theirs])["marketing_email"].state == "denied"
    assert standing(GROUND, [mine, [Told((yes(NOW - 5),))]])["marketing_email"].state == "granted"
    assert standing(GROUND, [mine, [Told((no(NOW - DAY),))]])["marketing_email"].state == "denied"


decision = st.builds(
    Decision,
    st.sampled_from(["analytics", "marketing_email", "c0004", GPC]),
    st.sampled_from(["granted", "denied"]),
    st.integers(0, 4).map(lambda step: NOW - step * CONTRADICTION),
    st.binary(min_size=1, max_size=1),
    st.just("api"),
    st.sampled_from(["", "DE", "US"]),
)
told = st.builds(
    Told,
    st.lists(decision, max_size=3).map(tuple),
    st.lists(st.sampled_from(["DE", "US", "CA"]), max_size=2).map(tuple),
)


@given(st.lists(told, min_size=1, max_size=3), st.lists(told, min_size=1, max_size=3))
def test_a_link_by_likeness_never_widens(mine: list[Told], theirs: list[Told]) -> None:
    alone, joined = standing(GROUND, [mine]), standing(GROUND, [mine, theirs])
    for key in KEYS:
        assert joined[key].state == "denied" or alone[key].state == "granted"
    assert joined == standing(GROUND, [theirs, mine])


@given(st.lists(told, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_fragments_is_no_matter(mine: list[Told], dice: Any) -> None:
    shuffled = list(mine)
    dice.shuffle(shuffled)
    assert standing(GROUND, [shuffled]) == standing(GROUND, [mine])


@given(told, told)
def test_a_merge_takes_the_latest_word_and_widens_no_default(one: Told, other: Told) -> None:
    joined, a, b = (standing(GROUND, [side]) for side in ([one, other], [one], [other]))
    for key in KEYS:
        if joined[key].decision is None and joined[key].state == "granted":
            assert "granted" in {a[key].state, b[key].state}
        elif joined[key].state == "granted":
            assert joined[key].decision in {a[key].decision, b[key].decision}
