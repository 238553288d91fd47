"""Templates: what they make of a person, what they refuse, and that none runs away."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError
from marshmallow import ValidationError

from activation.templates import language
from activation.templates.model import Template, Unrendered, language_for, message, problem
from activation.templates.plain import text_of
from activation.templates.schema import TemplateSchema, template_of

EMAIL = {
    "en": {
        "subject": "Hello {{ person.name | default('friend') }}",
        "html": "<p>{{ person.name | default('You') }} left {{ event.product }} behind.</p>",
    },
    "de": {"subject": "Hallo", "html": "<p>Guten Tag</p>"},
}


def template(texts: Any = None, **more: Any) -> Template:
    said = {"name": "T", "channel": "email", "texts": texts or EMAIL} | more
    return template_of("t", 1, TemplateSchema().load(said))


def shown(source: str, html: bool = True, **variables: Any) -> str:
    return language.render(source, variables, html=html)


def test_a_message_has_its_fields_and_a_text_made_of_its_html() -> None:
    made = message(template(), {"person": {"name": "Ada"}, "event": {"product": "Tea & Cake"}})
    assert made == {
        "subject": "Hello Ada",
        "html": "<p>Ada left Tea &amp; Cake behind.</p>",
        "text": "Ada left Tea & Cake behind.\n",
    }


@pytest.mark.parametrize(
    ("traits", "read"),
    [
        ({"locale": "de-AT"}, "de"),
        ({"language": "DE"}, "de"),
        ({"locale": "de_DE"}, "de"),
        ({"locale": "fr"}, "en"),
        ({"locale": 5}, "en"),
        ({}, "en"),
    ],
)
def test_people_are_written_to_in_their_language(traits: dict[str, Any], read: str) -> None:
    assert language_for(template(), traits) == read


def test_a_missing_value_without_a_default_is_no_message() -> None:
    with pytest.raises(Unrendered) as refused:
        message(template(), {"person": {"name": "Ada"}, "event": {}})
    assert str(refused.value) == (
        "template t, html: product is missing; say what to show: default('…')"
    )
    assert "Ada" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ person.name", "line 1: "),
        ("\n{% if x %}", "line 2: "),
        ("{{ nobody.name }}", "there is no variable nobody"),
        ("{{ person.items() }}", "call cannot be used"),
        ("{{ ''.__class__.__mro__() }}", "call cannot be used"),
        ("{% macro f() %}{{ f() }}{% endmacro %}", "cannot be used"),
        ("{% include 'x' %}", "include cannot be used"),
        ("{% import 'x' as x %}", "import cannot be used"),
        ("{% for a in person recursive %}{% endfor %}", "recursive"),
        ("{{ person | attr('x') }}", "there is no filter attr"),
        ("{{ 'x' | center(1000000000) }}", "there is no filter center"),
        ("{{ 9 ** 9 ** 9 }}", "pow cannot be used"),
        ("{{ 'a' ~ 'b' }}", "concat cannot be used"),
        ("{{ self }}", "self cannot be used"),
        ("{{ range(10) }}", "cannot be used"),
        ("{% set ns = namespace(x=1) %}", "call cannot be used"),
        ("x" * 100_001, "longer than"),
    ],
)
def test_what_is_not_part_of_it_is_refused_when_it_is_saved(source: str, told: str) -> None:
    assert told in problem("html", source)
    with pytest.raises(ValidationError) as refused:
        template({"en": {"subject": "s", "html": source}})
    assert told in str(refused.value.messages)


BIG = {"big": "x" * 60_000, "many": list(range(2_000)), "n": 10**15}


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in many %}{% for b in many %}{% for c in many %}" + "{% endfor %}" * 3,
        "{% for a in many %}{{ big }}{% endfor %}",
        "{% set a = big + big %}{{ a }}",
        "{{ many | join(big) }}",
        "{{ 'a' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ n * n * n }}",
        "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}",
    ],
)
@pytest.mark.parametrize("html", [True, False])
def test_none_runs_away(source: str, html: bool) -> None:
    with pytest.raises(TemplateError):
        shown(source, html, **BIG)


NASTY = ["__class__", "__init__", "__globals__", "mro", "format", "items", "keys", "__str__"]


@pytest.mark.parametrize("name", NASTY)
def test_attributes_are_data_alone(name: str) -> None:
    for what in ("person", "person.name", "''", "[]", "1", "person.missing"):
        assert shown(f"{{{{ {what}.{name} | default('none') }}}}", person={"name": "A"}) == "none"
        assert (
            shown(f"{{{{ {what}['{name}'] | default('none') }}}}", person={"name": "A"}) == "none"
        )


def test_a_trait_of_any_name_is_read_as_data() -> None:
    person = {"items": [1, 2], "keys": "k", "__class__": "c"}
    assert shown(
        "{{ person.items | sum }}{{ person.keys }}{{ person.__class__ }}", person=person
    ) == ("3kc")


@given(st.text(max_size=50))
def test_whatever_a_person_is_called_html_stays_what_it_was(name: str) -> None:
    made = shown(
        "<a title='{{ person.name }}'>{{ [person.name] | join(', ') }}</a>", person={"name": name}
    )
    inner = made[len("<a title='") : -len("</a>")]
    assert inner.count("<") == 0
    assert inner.count("'") == 1
    assert inner.count(">") == 1


@given(st.text(max_size=50))
def test_whatever_a_person_is_called_a_subject_is_one_line(name: str) -> None:
    texts = {"en": {"subject": "Hi {{ person.name }}", "html": "x"}}
    made = message(template(texts), {"person": {"name": name}})
    assert made["subject"].isprintable()
    assert len(made["subject"]) <= 1000


def test_html_is_told_as_text() -> None:
    html = (
        "<html><head><title>T</title><style>p{}</style></head><body><h1>Hello</h1>"
        "<p>One <b>two</b>\n three<br>four</p><ul><li>a<li>b</ul>"
        "<p><a href='https://x.example/?a=1&amp;b=2'>Buy</a> <img alt='A cup'></p></body></html>"
    )
    assert text_of(html) == (
        "Hello\n\nOne two three\nfour\n\n- a\n- b\n\nBuy (https://x.example/?a=1&b=2) A cup\n"
    )


@given(st.text(alphabet="<>/ap scriptylebody='\"&;!-\n", max_size=200))
def test_any_html_has_a_text(html: str) -> None:
    assert text_of(html).endswith("\n")


def test_a_push_message_has_a_title_and_no_html() -> None:
    with pytest.raises(ValidationError) as refused:
        template({"en": {"body": "b", "html": "x"}}, channel="push")
    assert refused.value.messages == {
        "texts": {
            "en": {
                "title": ["Must be there."],
                "html": ["Unknown field; of push there are title, body, url, icon, data."],
            }
        }
    }


def test_data_of_a_push_message_is_made_by_name() -> None:
    data = {"order": "{{ event.order }}", "greeting": "Hi {{ person.name }}\n<b>"}
    made = template({"en": {"title": "t", "data": data}}, channel="push")
    found = message(made, {"event": {"order": "7"}, "person": {"name": "Ada & Bob"}})
    assert found == {"title": "t", "data": {"order": "7", "greeting": "Hi Ada & Bob\n<b>"}}
    with pytest.raises(Unrendered, match=r"data\.order: order is missing"):
        message(made, {"event": {}, "person": {"name": "Ada"}})


@pytest.mark.parametrize(
    ("channel", "texts", "field"),
    [
        ("push", {"title": "t", "data": {"a": 1}}, "data"),
        ("push", {"title": "t", "data": "x"}, "data"),
        ("push", {"title": "t", "data": {"aps": "x"}}, "data.aps"),
        ("push", {"title": "t", "data": {"google.x": "x"}}, "data.google.x"),
        ("push", {"title": "t", "data": {"a": "{{ x }}"}}, "data.a"),
        ("push", {"title": "t", "body": {"a": "x"}}, "body.a"),
        ("email", {"subject": "s", "html": {"a": "x"}}, "html.a"),
        ("data", {"any": {"a": "x"}}, "any.a"),
    ],
    ids=range(8),
)
def test_data_that_cannot_be(channel: str, texts: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        template({"en": texts}, channel=channel)
    assert field in str(refused.value.messages)


DOUBLED = "{% set b = [b, b] %}" * 40


@pytest.mark.parametrize(
    "source",
    [
        "{% set b = person.name %}" + DOUBLED + "{{ b }}",
        "{% set b = person.name %}{% set b = (b, b) %}{{ b }}",
        "{% set b = person.name %}{% set b = {'x': b, 'y': b} %}{{ b }}",
        "{{ [person.name | list, person.name | list] }}",
        "{{ " + "(" * 50_000,
        "{{ " + "not " * 20_000 + "1 }}",
        "{{ person[person.name] }}",
    ],
)
def test_what_doubles_nests_or_would_tell_a_value_is_no_template(source: str) -> None:
    assert problem("html", source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1.5 | round(1000000000, 'ceil') }}",
        "{% for a in person.many %}"
        + "{% if person.long | upper == 'a' %}{% endif %}" * 99
        + "{% endfor %}",
    ],
)
def test_what_takes_long_is_stopped(source: str) -> None:
    person = {"many": list(range(1000)), "long": "x" * 10_000}
    with pytest.raises(TemplateError):
        language.render(source, {"person": person}, html=True)
