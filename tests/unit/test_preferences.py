"""The preference centre's pure parts: texts, colours, and what a choice amounts to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event, Identifier
from cdp.preferences import colours, model
from cdp.preferences.languages import languages
from cdp.preferences.page import trouble, version
from cdp.preferences.store import Brand
from consent.model import Decision, decisions
from consent.purposes import DEFAULT_PURPOSES
from consent.standing import Standing

COLOURS = st.tuples(*[st.integers(0, 255)] * 3).map(colours.written)


def flat(texts: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(texts, Mapping):
        for name, inner in texts.items():
            yield from flat(inner, f"{path}.{name}")
    elif isinstance(texts, list):
        for number, inner in enumerate(texts):
            yield from flat(inner, f"{path}[{number}]")
    else:
        yield path, texts


@pytest.mark.parametrize("code", languages())
def test_every_language_has_every_text(code: str) -> None:
    english, theirs = (dict(flat(languages()[each].texts)) for each in ("en", code))
    assert theirs.keys() == english.keys()
    assert all(text.strip() == text != "" for text in theirs.values())
    for path, text in english.items():
        wanted = {part for part in ("{day}", "{month}", "{year}", "{date}", "{id}") if part in text}
        assert all(part in theirs[path] for part in wanted), path


def test_four_languages_name_the_default_purposes() -> None:
    assert languages().keys() == {"de", "en", "es", "fr"}
    keys = {each.key for each in DEFAULT_PURPOSES}
    assert all(each.texts["purposes"].keys() == keys for each in languages().values())
    assert languages()["de"].date(0) == "1. Januar 1970"
    assert languages()["es"].date(0) == "1 de enero de 1970"


def test_what_was_shown_is_told_by_its_version() -> None:
    assert len({version(code) for code in languages()}) == len(languages())


@given(COLOURS)
def test_any_brand_can_be_read(brand: str) -> None:
    palette = colours.palette(brand)
    assert palette.brand == brand
    pairs = [(palette.ink, brand), (palette.on_light, "#ffffff"), (palette.on_dark, "#1b1f25")]
    for one, other in pairs:
        assert colours.contrast(colours.parsed(one), colours.parsed(other)) >= colours.READABLE


def test_contrast_is_as_the_standard_has_it() -> None:
    assert colours.contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert colours.contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.005)
    readable = colours.palette("#1f5f8b")
    assert readable.on_light == readable.brand  # a colour that can be read stays as it is


def test_a_page_runs_under_the_policy_that_names_its_style() -> None:
    seen = [trouble(404, languages()["en"], Brand(color=each)) for each in ("#112233", "#332211")]
    assert len({each.policy for each in seen}) == 2


def fact(at: int, number: int, **properties: Any) -> Event:
    number_ = bytes([number]) * 16
    return Event(SCHEMA, "consent", number_, 0, "", at, at, properties=properties)


FACTS = st.lists(
    st.builds(
        fact,
        st.integers(0, 3),
        st.integers(0, 9),
        frequency=st.sampled_from([*model.FREQUENCIES, "hourly", None, 7]),
    ),
    unique_by=lambda each: each.id,
)


@given(FACTS, st.randoms())
def test_how_often_does_not_depend_on_the_order_of_facts(facts: list[Event], random: Any) -> None:
    shuffled = [*facts, *facts]
    random.shuffle(shuffled)
    assert model.frequency(shuffled) == model.frequency(facts)


def test_the_latest_word_on_how_often_counts_and_of_two_at_once_the_rarer() -> None:
    assert model.frequency([]) == "all"
    said = [fact(1, 1, frequency="monthly"), fact(2, 2, frequency="all")]
    assert model.frequency(said) == "all"
    assert model.frequency([*said, fact(2, 3, frequency="weekly")]) == "weekly"
    assert [decisions(each) for each in said] == [[], []]  # of no purpose


def test_asking_is_no_consent() -> None:
    assert decisions(fact(1, 1, asked="marketing_email", source="form")) == []


def test_a_yes_is_told_where_it_changes_something_and_a_no_unless_it_was_said() -> None:
    said = Decision("x", "denied", 1, b"", "api")
    stands = {
        "default_yes": Standing("granted", None),
        "default_no": Standing("denied", None),
        "said_no": Standing("denied", said),
        "yes_ended": Standing("denied", said._replace(state="granted"), expired=True),
    }
    assert model.changed(dict.fromkeys(stands, "granted"), stands) == {
        "default_no": "granted",
        "said_no": "granted",
        "yes_ended": "granted",
    }
    assert model.changed(dict.fromkeys(stands, "denied"), stands) == {
        "default_yes": "denied",
        "default_no": "denied",
        "yes_ended": "denied",
    }


@pytest.mark.parametrize(
    ("who", "shown"),
    [
        (Identifier("email", "ada@example.com"), "a•••@example.com"),
        (Identifier("email", "@x"), "•••@x"),
        (Identifier("phone", "+442079460958"), "•••58"),
        (Identifier("user_id", "u-42"), "•••"),
    ],
)
def test_a_page_shows_no_more_of_somebody_than_they_know_themselves_by(
    who: Identifier, shown: str
) -> None:
    assert model.masked(who) == shown
