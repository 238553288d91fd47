"""TC and GPP strings, read as the IAB's own libraries and specifications read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.signals import gpp, tcf
from consent.signals.bits import MOST_CHARACTERS, Bits
from consent.signals.said import Illegible

# Made with the IAB's libraries for JavaScript by tests/iab/generate.mjs.
VECTORS = json.loads((Path(__file__).parents[1] / "data" / "consent_strings.json").read_text())
TC_VECTORS, GPP_VECTORS = VECTORS["tc"], VECTORS["gpp"]
OPT_OUTS = dict(
    zip(("SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut"), gpp.OPT_OUTS, strict=True)
)
STATES = {1: "denied", 2: "granted", "Y": "denied", "N": "granted"}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"

# "Consent string and vendor list formats v2": an example of each kind of string.
SPECIFIED_TC = {
    "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA."
    "IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAA"
    "AAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw": {1, 2, 3},
    "CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA."
    "argAC0gAAAAAAAAAAAA": {1, 3, 9, 10},
}
# "Global Privacy Platform String", Header Examples 1 to 3.
SPECIFIED_HEADERS = {"DBABM": [2], "DBACNY": [2, 6], "DBABjw": [5, 6]}


@pytest.mark.parametrize("vector", TC_VECTORS, ids=range(len(TC_VECTORS)))
def test_tc_strings_are_read_as_the_iabs_library_reads_them(vector: dict[str, Any]) -> None:
    core = tcf.read(vector["string"])
    assert core.consents == set(vector["consents"])
    assert core.interests == set(vector["interests"])
    assert core.features == set(vector["features"])
    assert core.first_undisclosed == vector["first_undisclosed"]


@pytest.mark.parametrize("vector", GPP_VECTORS, ids=range(len(GPP_VECTORS)))
def test_gpp_strings_are_read_as_the_iabs_library_reads_them(vector: dict[str, Any]) -> None:
    sections = gpp.sections(vector["string"])
    assert [str(number) for number in sections] == list(vector["sections"])
    for number, read in vector["sections"].items():
        said = gpp.said(vector["string"], frozenset({int(number)}))
        assert said.gpc == read.get("Gpc", False)
        if number == "2":
            core = tcf.read(sections[2])
            assert (core.consents, core.interests) == (
                set(read["consents"]),
                set(read["interests"]),
            )
            continue
        named = {**OPT_OUTS, "OptOutSale": gpp.SALE}
        told = {named[name]: STATES.get(value) for name, value in read.items() if name in named}
        assert said.states == {signal: state for signal, state in told.items() if state}


def test_the_vectors_have_every_section_and_every_answer() -> None:
    seen = {number for vector in GPP_VECTORS for number in vector["sections"]}
    assert seen == {"2", "6", *map(str, gpp.SECTIONS)}
    answers = {
        answer
        for v in GPP_VECTORS
        for each in v["sections"].values()
        for answer in (each.get(name) for name in OPT_OUTS)
    }
    assert answers >= {0, 1, 2}
    assert {vector["first_undisclosed"] for vector in TC_VECTORS} == {True, False}
    assert {len(vector["string"].split(".")) for vector in TC_VECTORS} == {1, 2, 3, 4}


@pytest.mark.parametrize(("text", "consents"), SPECIFIED_TC.items())
def test_examples_of_the_tcfs_specification(text: str, consents: set[int]) -> None:
    assert tcf.read(text).consents == consents


@pytest.mark.parametrize(("header", "numbers"), SPECIFIED_HEADERS.items())
def test_header_examples_of_the_gpps_specification(header: str, numbers: list[int]) -> None:
    assert list(gpp.sections("~".join([header, *("1---" for _ in numbers)]))) == numbers


@pytest.mark.parametrize(
    ("code", "number"), [("w", 1), ("Y", 2), ("M", 3), ("s", 4), ("G", 5), ("m", 6), ("W", 7)]
)
def test_fibonacci_examples_of_the_gpps_specification(code: str, number: int) -> None:
    assert Bits(code).fibonacci() == number


def test_interest_counts_only_for_purposes_that_may_rest_on_it() -> None:
    found = 0
    for vector in TC_VECTORS:
        states = tcf.said(vector["string"]).states
        for number in tcf.PURPOSES:
            by_interest = number in vector["interests"] and number not in {1, 3, 4, 5, 6}
            allowed = number in vector["consents"] or by_interest
            if number == 1 and vector["first_undisclosed"]:
                assert "tcf_1" not in states
                continue
            found += by_interest
            assert states[f"tcf_{number}"] == ("granted" if allowed else "denied")
        for number in tcf.FEATURES:
            opted_in = number in vector["features"]
            assert states[f"tcf_sf{number}"] == ("granted" if opted_in else "denied")
    assert found


def test_of_sections_that_contradict_each_other_the_no_counts_and_only_what_applies() -> None:
    yes_and_no = "DBABrw~CAAiAAAAAABA.YA~BAkAAABA.QA"  # usnat: no objection; usca: no sharing
    both = gpp.said(yes_and_no)
    assert (both.states[gpp.SHARING], both.gpc, both.places) == ("denied", True, {"US", "US-CA"})
    assert gpp.said(yes_and_no, frozenset({7})).states.get(gpp.SHARING) is None
    assert gpp.said(yes_and_no, frozenset()).states == {}


@pytest.mark.parametrize(
    ("text", "states"),
    [("1YYN", {gpp.SALE: "denied"}), ("1ynn", {gpp.SALE: "granted"}), ("1---", {}), ("1N-Y", {})],
)
def test_us_privacy_strings(text: str, states: dict[str, str]) -> None:
    assert gpp.us_privacy(text).states == states


TC, GPP = TC_VECTORS[0]["string"], GPP_VECTORS[0]["string"]


@pytest.mark.parametrize(
    ("read", "text", "why"),
    [
        (tcf.said, "", "is cut off"),
        (tcf.said, TC[:-3], "is cut off"),
        (tcf.said, TC.split(".")[0][:60], "is cut off"),
        (tcf.said, "BO" + TC[2:], "is of version 1"),
        (tcf.said, TC.replace("A", "+"), "base64url"),
        (tcf.said, TC + " ", "base64url"),
        (tcf.said, "C" * (MOST_CHARACTERS + 1), "the limit is 8192"),
        (tcf.said, TC + 4 * ".IAAA", "has over 4 segments"),
        (gpp.said, "", "is cut off"),
        (gpp.said, TC.split(".")[0], "has no header"),
        (gpp.said, GPP.split("~")[0], "lists 1 section.s. and has 0"),
        (gpp.said, GPP + "~1YNN", "lists 1 section.s. and has 2"),
        (gpp.said, GPP.replace(".YA", "."), "is cut off"),
        (gpp.said, "DBABLA~BAA", "is cut off"),
        (gpp.said, "DBABLA~C____", "has an opt-out"),
        (gpp.said, "DBABTA~2YNN", "US Privacy"),
        (gpp.said, "DBP_AAAA", "is cut off"),
        (gpp.said, "DBABgAAA", "is cut off"),
        (gpp.said, "DBAB4Aw", "lists over 64"),
        (gpp.us_privacy, "1YN", "US Privacy"),
    ],
)
def test_what_cannot_be_read_says_why(read: Any, text: str, why: str) -> None:
    with pytest.raises(Illegible, match=why):
        read(text)


@given(
    st.one_of(
        st.text(),
        st.text(ALPHABET),
        st.text(ALPHABET).map("C".__add__),
        st.text(ALPHABET).map("DB".__add__),
        st.tuples(
            st.sampled_from([v["string"] for v in TC_VECTORS + GPP_VECTORS]),
            st.integers(0, 250),
            st.sampled_from(ALPHABET),
        ).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 1 :]),
    )
)
def test_any_string_is_read_or_refused(text: str) -> None:
    for read in (tcf.said, gpp.said, gpp.us_privacy):
        try:
            said = read(text)
        except Illegible as illegible:
            assert str(illegible)
        else:
            assert set(said.states.values()) <= {"granted", "denied"}
