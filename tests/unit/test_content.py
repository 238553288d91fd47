"""Which content somebody sees: who it is for, consent, priority, and a draw that stays."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activation.content.model import Content, Variant, Visitor, by_priority, choose, drawn, text
from activation.content.rendering import Unrenderable, rendered
from activation.content.schema import ContentSchema
from cdp.errors import Invalid, NotFound
from cdp.forms import load
from cdp.personalizing.token import Decision, read, spelled

NOW = 1_000_000
A = Variant("a", 1.0, {"en": "x"})
EVERYBODY = Content("all", "All", "html", ("hero",), (A,))
BUYERS = replace(EVERYBODY, key="buyers", segments=frozenset({"buyers"}), purpose="offers")
ADA = Visitor(frozenset({"buyers"}), {"offers": True}, True)


def drawing(seed: str) -> Callable[[str], float]:
    def draw(name: str) -> float:
        digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest) + 1) / ((1 << 64) + 1)

    return draw


def seen(visitor: Visitor, *contents: Content, seed: str = "") -> tuple[str | None, str]:
    choice = choose("hero", by_priority(contents), visitor, NOW, drawing(seed))
    return choice.content.key if choice.content else None, choice.missing


def test_priority_comes_first_among_what_somebody_may_see() -> None:
    first = replace(BUYERS, priority=5)
    assert seen(ADA, EVERYBODY, first) == ("buyers", "")
    assert seen(ADA._replace(segments=frozenset()), EVERYBODY, first) == ("all", "")
    assert seen(ADA, EVERYBODY, replace(first, outside=frozenset({"buyers"}))) == ("all", "")
    assert seen(ADA, EVERYBODY, replace(first, since=NOW + 1)) == ("all", "")
    assert seen(ADA, EVERYBODY, replace(first, until=NOW)) == ("all", "")
    assert seen(ADA, EVERYBODY, replace(first, since=NOW, until=NOW + 1)) == ("buyers", "")
    assert seen(ADA, EVERYBODY, replace(first, enabled=False)) == ("all", "")


def test_the_purpose_that_is_missing_is_named_only_if_something_else_would_be_seen() -> None:
    without = ADA._replace(allows={"offers": False})
    assert seen(without, EVERYBODY, replace(BUYERS, priority=5)) == ("all", "offers")
    assert seen(without, replace(EVERYBODY, priority=9), BUYERS) == ("all", "")
    assert seen(without, BUYERS) == (None, "offers")
    assert seen(without._replace(segments=frozenset()), BUYERS) == (None, "")


def test_who_wants_nothing_personal_sees_what_is_for_everybody() -> None:
    assert seen(ADA._replace(personal=False), EVERYBODY, replace(BUYERS, priority=5)) == ("all", "")


def test_the_draw_follows_the_weights() -> None:
    weights = {"a": 1.0, "b": 3.0}
    found = Counter(drawn(weights, drawing(str(number))) for number in range(4000))
    assert 2900 < found["b"] < 3100  # 3000, give or take four deviations


@given(st.text(), st.dictionaries(st.text(min_size=1), st.floats(0.01, 100), min_size=1))
def test_one_more_takes_from_others_and_moves_nobody_between_them(
    seed: str, weights: dict[str, float]
) -> None:
    before = drawn(weights, drawing(seed))
    assert drawn(weights, drawing(seed)) == before
    assert drawn(weights | {"": 1.0}, drawing(seed)) in {before, ""}


def test_the_language_that_fits_best() -> None:
    variant = Variant("a", 1.0, {"en": "e", "de": "d", "pt-BR": "p"})
    assert text(variant, ["de-AT"], "en") == ("de", "d")
    assert text(variant, ["fr", "PT-br", "de"], "en") == ("pt-BR", "p")
    assert text(variant, ["fr"], "en") == ("en", "e")


def test_what_a_person_brings_is_escaped_and_what_is_missing_needs_a_default() -> None:
    said = {"person": {"name": "<script>alert(1)</script>"}}
    assert rendered("Hi {{ person.name }}", said) == "Hi &lt;script&gt;alert(1)&lt;/script&gt;"
    assert rendered("Hi {{ person.first.name|default('you') }}", {}) == "Hi you"
    with pytest.raises(Unrenderable, match="name is missing"):
        rendered("Hi {{ person.name }}", said | {"person": {}})


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ person.__init__.__globals__ }}",
        "{% for n in range(10**9) %}x{% endfor %}",
        "{{ person.update({'a': 1}) }}",
    ],
)
def test_a_template_gets_nowhere(escape: str) -> None:
    try:
        assert rendered(escape, {"person": {}}) == ""
    except Unrenderable as error:
        assert "person" not in str(error)


NO_DEFAULT = [{"key": "a", "html": {"en": "Hi {{ person.name }}"}}]
CONTENT: dict[str, Any] = {
    "name": "N",
    "slots": ["hero"],
    "variants": [{"key": "a", "html": {"en": "Hi"}}],
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"segments": ["buyers"]}, "purpose"),
        ({"from": "soon"}, "from"),
        ({"variants": []}, "variants"),
        ({"variants": CONTENT["variants"] * 2}, "variants"),
        ({"variants": [{"key": "a", "data": {"en": {}}}]}, "variants[0].html"),
        ({"variants": [{"key": "a", "html": {"de": "x"}}]}, "variants[0].html"),
        ({"variants": [{"key": "a", "html": {"en": "{{ nobody }}"}}]}, "variants[0].html.en"),
        ({"variants": [{"key": "a", "html": {"en": "{% if %}"}}]}, "variants[0].html.en"),
        ({"variants": [{"key": "a", "html": {"en": "{{ person.x }}"}}]}, "variants[0].html.en"),
        ({"metadata": {"x": "y" * 4000}}, "metadata"),
        ({"purpose": "p", "variants": NO_DEFAULT}, "variants[0].html.en"),
    ],
)
def test_what_is_written_wrong_is_named(change: dict[str, Any], field: str) -> None:
    import msgspec

    with pytest.raises(Invalid) as caught:
        load(ContentSchema(), msgspec.json.encode(CONTENT | change))
    assert caught.value.field == field
    assert caught.value.detail.startswith(f"{field}: ")


def digest(plain: bytes) -> bytes:
    return hashlib.blake2b(plain, digest_size=16, key=b"k").digest()


def test_a_decision_id_is_the_same_each_time_and_cannot_be_made_up() -> None:
    decision = Decision("shipping", "a", "hero", True)
    told = spelled(decision, digest)
    assert told == spelled(decision, digest)
    assert read(told, digest) == decision
    forged = told[:-2] + ("AA" if told[-2:] != "AA" else "BB")
    for damaged in ("", "x", "ü", "A" * 500, forged, told[:-4]):
        with pytest.raises(NotFound):
            read(damaged, digest)
