"""Decisions, purposes and the collection gate, as pure functions."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event
from consent.jurisdictions import State
from consent.model import Basis, Decision, collectable, decisions, denied, latest
from consent.purposes import DEFAULT_PURPOSES
from consent.stamps import GPC, signal_of
from consent.standing import Ground, Told, standing

GROUND = Ground(DEFAULT_PURPOSES, "CA", 10**15)
COLLECTING = frozenset({"analytics", *DEFAULT_PURPOSES[1].signals})
ALLOWED, REFUSED = Basis(decided=True, by_law=False), Basis(decided=False, by_law=True)


def event(kind: str = "track", at: int = 10, **fields: Any) -> Event:
    return Event(SCHEMA, kind, b"e" * 16, 1, "m", at, 10**9, **fields)  # type: ignore[arg-type]


def decision(signal: str, state: State, at: int, event: bytes = b"1") -> Decision:
    return Decision(signal, state, at, event, "api")


def state(*known: Decision) -> dict[str, str]:
    return {purpose: s.state for purpose, s in standing(GROUND, [[Told(known)]]).items()}


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (
            {"consent": {"categoryPreferences": {"Analytics": True, "Advertising": False}}},
            {"analytics": "granted", "advertising": "denied"},
        ),
        (
            {"consentManagement": {"allowedConsentIds": ["C0002"], "deniedConsentIds": ["C0004"]}},
            {"c0002": "granted", "c0004": "denied"},
        ),
        (
            {"consentManagement": {"deniedConsentIds": {"oneTrust": ["C0004"]}}},
            {"c0004": "denied"},
        ),
        ({"consent": {"gpc": True}}, {"gpc": "denied"}),
        ({"consent": {"categoryPreferences": {"Analytics": "yes"}}}, {}),
        ({"consent": "all"}, {}),
        ({"consentManagement": {"allowedConsentIds": 7}}, {}),
    ],
)
def test_stamps_of_every_vendor(context: dict[str, Any], expected: dict[str, str]) -> None:
    assert {d.signal: d.state for d in decisions(event(context=context))} == expected


@pytest.mark.parametrize("length", [1, 5000])
def test_a_stamp_says_the_same_however_long_it_is_and_however_often_it_comes(length: int) -> None:
    stamp = {"categoryPreferences": {"Analytics": True, "Ads": False}, "padding": "x" * length}
    first, again = (
        event(at=at, context={"consent": stamp | {"jurisdiction": "de"}}) for at in (10, 20)
    )
    assert decisions(first) == [each._replace(at=10) for each in decisions(again)]
    assert {(d.signal, d.state, d.jurisdiction) for d in decisions(again)} == {
        ("analytics", "granted", "DE"),
        ("ads", "denied", "DE"),
    }
    assert denied(again) == ("ads",)


def test_the_apis_own_facts() -> None:
    fact = event("consent", properties={"purpose": "marketing_email", "state": "granted"})
    assert [(d.signal, d.state, d.source) for d in decisions(fact)] == [
        ("marketing_email", "granted", "api")
    ]
    assert signal_of("Strictly Necessary") == signal_of("strictly_necessary")


def test_without_a_decision_the_purposes_default_counts() -> None:
    assert state()["analytics"] == "granted"
    assert state()["marketing_email"] == "denied"


def test_the_latest_decision_counts_and_a_tie_is_a_no() -> None:
    yes, no = decision("profiling", "granted", 20), decision("profiling", "denied", 10)
    assert state(yes, no)["profiling"] == "granted"
    tie = decision("profiling", "denied", 20)
    assert state(yes, tie)["profiling"] == state(tie, yes)["profiling"] == "denied"


def test_a_category_of_an_sdk_speaks_for_its_purpose() -> None:
    assert state(decision("c0002", "denied", 5))["analytics"] == "denied"


def test_gpc_counts_from_when_it_was_first_seen() -> None:
    first = Decision(GPC, "denied", 10, b"1", GPC)
    again = Decision(GPC, "denied", 90, b"2", GPC)
    said_yes = decision("sale_or_share", "granted", 50)
    assert latest([again, first])[GPC] == first
    assert state(first, said_yes, again)["sale_or_share"] == "granted"
    assert state(first)["sale_or_share"] == "denied"


@given(
    st.lists(
        st.builds(
            decision,
            st.sampled_from(["analytics", "c0002", "gpc"]),
            st.sampled_from(["granted", "denied"]),
            st.integers(0, 4),
            st.binary(min_size=1, max_size=1),
        )
    ),
    st.randoms(use_true_random=False),
)
def test_standing_depends_on_the_set_of_decisions_alone(
    known: list[Decision], shuffler: random.Random
) -> None:
    shuffled = known + known[:3]
    shuffler.shuffle(shuffled)
    whole = standing(GROUND, [[Told(known)]])
    assert standing(GROUND, [[Told(shuffled)]]) == whole
    parts = [*latest(known[:2]).values(), *latest(known[2:]).values()]
    assert standing(GROUND, [[Told(parts)]]) == whole


def stamped(*, analytics: bool) -> Event:
    context = {"consent": {"categoryPreferences": {"Analytics": analytics}}, "ip": "203.0.113.7"}
    return event(name="Order", user_id="ada", properties={"secret": 1}, context=context)


def test_collection_follows_what_is_known() -> None:
    plain = event(name="Order")
    assert collectable(plain, COLLECTING, ALLOWED) is plain
    assert collectable(plain, COLLECTING, REFUSED) is None


def test_an_events_own_yes_opens_collection_again() -> None:
    yes = stamped(analytics=True)
    assert collectable(yes, COLLECTING, REFUSED) is yes


def test_of_a_refusal_only_the_decision_is_stored_and_only_once() -> None:
    no = stamped(analytics=False)
    stored = collectable(no, COLLECTING, ALLOWED)
    assert stored is not None
    assert (stored.type, stored.user_id, stored.properties, stored.name) == (
        "consent",
        "ada",
        {},
        "",
    )
    assert "ip" not in stored.context
    assert decisions(stored) == decisions(no)
    assert collectable(no, COLLECTING, REFUSED) is None


def test_a_consent_fact_always_passes() -> None:
    fact = event("consent", properties={"purpose": "analytics", "state": "denied"})
    assert collectable(fact, COLLECTING, REFUSED) is fact


@pytest.mark.parametrize("by_law", [True, False])
def test_who_decided_nothing_is_stored_as_the_law_says(by_law: bool) -> None:
    plain = event(name="Order")
    stored = collectable(plain, COLLECTING, Basis(decided=None, by_law=by_law))
    assert stored is (plain if by_law else None)


def test_of_an_event_without_a_basis_what_it_says_of_consent_is_kept() -> None:
    undecided = Basis(decided=None, by_law=False)
    other = event(name="Order", context={"consent": {"categoryPreferences": {"Marketing": True}}})
    stored = collectable(other, COLLECTING, undecided)
    assert stored is not None
    assert (stored.type, stored.name) == ("consent", "")
    assert [d.signal for d in decisions(stored)] == ["marketing"]
    assert collectable(stamped(analytics=True), COLLECTING, undecided) is not None
    assert collectable(other, COLLECTING, REFUSED) is None
