"""Where consent strings are looked for, and what they mean."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from cdp.events import SCHEMA, Event
from consent import jurisdictions, model, signals
from consent.model import Basis, Decision, collectable, decisions, denied
from consent.purposes import DEFAULT_PURPOSES
from consent.signals import google
from consent.stamps import GPC
from consent.standing import Ground, Told, standing
from tests.support.signals import ALL, NONE, NOT_OPTED_OUT, OPTED_OUT, SOME, WITH_GPC

GERMANY = Ground(DEFAULT_PURPOSES, "DE", 10**15)
CALIFORNIA = Ground(DEFAULT_PURPOSES, "US-CA", 10**15)
ANALYTICS = frozenset({"analytics", *DEFAULT_PURPOSES[1].signals})


def event(consent: object, at: int = 10, **context: Any) -> Event:
    """With what it says of consent."""
    filled = {"consent": consent, **context}
    return Event(SCHEMA, "track", b"e" * 16, 1, "m", at, 10**9, context=filled)


def said(consent: object) -> dict[str, str]:
    return {each.signal: each.state for each in decisions(event(consent))}


def stands(ground: Ground, *events: Event) -> dict[str, str]:
    told = Told([each for event in events for each in decisions(event)])
    return {purpose: each.state for purpose, each in standing(ground, [[told]]).items()}


@pytest.mark.parametrize("name", signals.TCF)
def test_a_tc_string_is_found_alone_or_in_what_the_cmp_answers(name: str) -> None:
    alone = decisions(event({name: f" {SOME} "}))
    assert {each.source for each in alone} == {"tcf"}
    assert {each.signal for each in alone} == {
        *(f"tcf_{number}" for number in range(1, 12)),
        "tcf_sf1",
        "tcf_sf2",
    }
    assert decisions(event({name: {"tcString": SOME, "cmpStatus": "loaded"}})) == alone


@pytest.mark.parametrize("name", signals.GPP)
@pytest.mark.parametrize("sids", signals.APPLICABLE)
def test_a_gpp_string_is_found_with_the_sections_that_apply(name: str, sids: str) -> None:
    assert said({name: OPTED_OUT}) == {"us_sale": "denied", "us_sharing": "denied"}
    for applying in ([8], "8", "7,8", "7_8", 8, [7, "8"]):
        assert said({name: OPTED_OUT, sids: applying})["us_sale"] == "denied"
        assert said({name: {"gppString": OPTED_OUT, sids: applying}})["us_sale"] == "denied"
    for other in ([7], "7", [-1], [], 0):
        assert said({name: OPTED_OUT, sids: other}) == {}


@pytest.mark.parametrize("name", signals.US_PRIVACY)
def test_a_us_privacy_string_is_found(name: str) -> None:
    assert said({name: "1YYN"}) == said({name: {"uspString": "1YYN"}}) == {"us_sale": "denied"}


@pytest.mark.parametrize("inside", [None, *signals.GOOGLE])
def test_google_consent_mode_is_found(inside: str | None) -> None:
    states = {"ad_storage": "denied", "analytics_storage": "granted", "ad_user_data": True}
    found = said({inside: states} if inside else states)
    assert found == {**states, "ad_user_data": "granted"}


@pytest.mark.parametrize(
    ("consent", "field", "why"),
    [
        ({"tcf": "CP"}, "tcf", "cut off"),
        ({"tcString": 7}, "tcString", "must be the string"),
        ({"tcf": {"purpose": {}}}, "tcf", "must be the string"),
        ({"gpp": {"gppString": "x"}}, "gpp", "cut off"),
        ({"gpp": OPTED_OUT, "gppSid": ["ca"]}, "gpp", "no list of numbers"),
        ({"gpp": OPTED_OUT, "gppSid": [[7]]}, "gpp", "no list of numbers"),
        ({"us_privacy": "yes"}, "us_privacy", "1YNN"),
        ({"ad_storage": "maybe"}, "ad_storage", "granted or denied"),
        ({"google": {"ad_storage": 1}}, "google.ad_storage", "granted or denied"),
    ],
)
def test_what_cannot_be_read_is_named_and_says_nothing(
    consent: dict[str, Any], field: str, why: str
) -> None:
    found = model.illegible(event({"categoryPreferences": {"Ads": True}, **consent}))
    assert found is not None
    assert found[0] == f"context.consent.{field}"
    assert why in found[1]
    assert said({"categoryPreferences": {"Ads": True}, **consent}) == {"ads": "granted"}


@pytest.mark.parametrize(
    "consent", [None, "all", {}, {"tcf": None, "gpp": "", "usPrivacy": None}, {"google": "yes"}]
)
def test_what_is_not_there_is_no_problem(consent: object) -> None:
    assert model.illegible(event(consent)) is None
    assert said(consent) == {}


def test_a_purpose_needs_every_purpose_of_the_tcf_that_it_lists() -> None:
    none, some, all_ = (event({"tcf": each}, at=at) for at, each in enumerate((NONE, SOME, ALL)))
    keys = ("analytics", "personalization", "sale_or_share", "profiling")
    assert [stands(GERMANY, all_)[key] for key in keys] == ["granted"] * 4
    assert [stands(CALIFORNIA, none)[key] for key in keys] == ["denied"] * 4
    given = {"analytics": "granted", "marketing_email": "denied"}
    assert given.items() <= stands(GERMANY, some).items()
    assert [stands(GERMANY, some)[key] for key in keys[1:]] == ["denied"] * 3
    assert stands(GERMANY, none, some, all_)["sale_or_share"] == "granted"
    assert stands(GERMANY, all_, none)["analytics"] == "granted"  # none was said before


def test_one_no_of_a_vocabulary_outweighs_a_later_yes_to_something_else() -> None:
    first = event({"ad_storage": "denied", "ad_user_data": "denied"}, at=1)
    later = event({"ad_storage": "granted"}, at=2)
    whole = event({"ad_user_data": "granted"}, at=3)
    assert stands(GERMANY, first, later)["sale_or_share"] == "denied"
    assert stands(GERMANY, first, later, whole)["sale_or_share"] == "granted"


def test_not_to_opt_out_is_no_yes_but_takes_ones_own_no_back() -> None:
    out, back = event({"gpp": OPTED_OUT}, at=1), event({"gpp": NOT_OPTED_OUT}, at=2)
    assert stands(CALIFORNIA, out)["sale_or_share"] == "denied"
    assert stands(CALIFORNIA, out, back)["sale_or_share"] == "granted"  # as the law says
    assert stands(GERMANY, back)["sale_or_share"] == "denied"
    by_phone = Decision("sale_or_share", "denied", 1, b"1", "api")
    told = Told([by_phone, *decisions(back)])
    assert standing(CALIFORNIA, [[told]])["sale_or_share"].decision == by_phone


def test_gpc_in_a_gpp_string_counts_like_the_header() -> None:
    asking = event({"gpp": WITH_GPC})
    assert [(d.state, d.source) for d in decisions(asking) if d.signal == GPC] == [("denied", GPC)]
    assert denied(asking) == (GPC,)
    assert stands(CALIFORNIA, asking, event({"gpp": NOT_OPTED_OUT}, at=9))["sale_or_share"] == (
        "denied"
    )


def test_stamps_that_contradict_each_other_are_a_no() -> None:
    consent = {"categoryPreferences": {"ad_storage": False}, "ad_storage": "granted"}
    assert said(consent) == {"ad_storage": "denied"}
    assert said({"tcf": ALL, "gpp": "DBABMA~" + NONE})["tcf_1"] == "denied"


def test_the_collection_gate_goes_by_a_tc_string() -> None:
    closed = Basis(decided=None, by_law=False)
    allowing, refusing = event({"tcf": SOME}), event({"tcf": NONE})
    assert collectable(allowing, ANALYTICS, closed) is allowing
    left = collectable(refusing, ANALYTICS, Basis(decided=None, by_law=True))
    assert left is not None
    assert (left.type, decisions(left)) == ("consent", decisions(refusing))
    not_refusing = event({"gpp": NOT_OPTED_OUT})
    assert collectable(not_refusing, ANALYTICS | {"us_sale"}, closed) is not not_refusing


@pytest.mark.parametrize(
    ("consent", "context", "place"),
    [
        ({"gpp": OPTED_OUT}, {}, "US-CA"),
        ({"gpp": OPTED_OUT}, {"timezone": "Europe/Berlin"}, "US-CA"),
        ({"gpp": OPTED_OUT}, {"location": {"country": "DE"}}, "DE"),
        ({"gpp": OPTED_OUT, "jurisdiction": "FR"}, {}, "FR"),
        ({"gpp": OPTED_OUT, "gppSid": [2]}, {}, ""),
        ({"gpp": OPTED_OUT, "tcf": ALL}, {}, ""),
        ({"gpp": "DBABrw~CAAiAAAAAABA~BAkAAABA"}, {}, "US-CA"),
        ({"gpp": "cannot be read"}, {"locale": "en-GB"}, "GB"),
        ({"usPrivacy": "1YNN"}, {}, "US"),
        ({"usPrivacy": "1---"}, {}, ""),
    ],
)
def test_a_string_tells_whose_law_it_is_for(
    consent: dict[str, Any], context: dict[str, Any], place: str
) -> None:
    assert jurisdictions.told(event(consent, **context)) == place


def test_what_is_left_of_an_event_tells_no_place() -> None:
    """Its country went with the rest of the context."""
    german = event({"gpp": OPTED_OUT}, location={"country": "DE"})
    left = collectable(german, ANALYTICS, Basis(decided=None, by_law=False))
    assert left is not None
    assert (jurisdictions.told(german), jurisdictions.told(left)) == ("DE", "")


def test_google_consent_mode_out() -> None:
    meanings = {each.key: frozenset(each.signals) for each in DEFAULT_PURPOSES}
    everything = dict.fromkeys(meanings, True)
    assert set(google.shown(meanings, everything).values()) == {"granted"}
    shown = google.shown(meanings, everything | {"sale_or_share": False})
    assert {name for name, state in shown.items() if state == "denied"} == {
        "ad_storage",
        "ad_user_data",
        "ad_personalization",
    }
    assert set(google.shown({}, everything).values()) == {"denied"}
    assert list(google.shown(meanings, {})) == list(google.NAMES)


def test_the_page_has_what_each_purpose_lists() -> None:
    page = (Path(__file__).parents[2] / "docs" / "signals.md").read_text()
    for purpose in DEFAULT_PURPOSES:
        (row,) = re.findall(rf"^\| .*`{purpose.key}`.* \|$", page, re.MULTILINE)[:1]
        _, _, tcf, _, tags, _ = (cell.strip() for cell in row.split("|"))
        listed = [signal for signal in purpose.signals if signal.startswith("tcf_")]
        assert [f"tcf_{number}" for number in tcf.split(", ") if number] == listed
        assert set(re.findall("`(.+?)`", tags)) == set(google.NAMES) & set(purpose.signals)


def test_old_instances_get_what_new_ones_are_born_with() -> None:
    from migrations.versions import __path__ as versions

    migration = runpy.run_path(str(Path(versions[0]) / "0015_signals.py"))
    brought = {key: (*was, *more) for key, (was, more) in migration["CHANGES"].items()}
    born = {each.key: each.signals for each in DEFAULT_PURPOSES if each.signals}
    assert brought == born
