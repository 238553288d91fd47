"""MJML becomes HTML when a template is saved, and what it cannot be is named with its line."""

from __future__ import annotations

from typing import Any

import pytest

from activation.templates.mjml import Uncompiled, compiled
from tests.conftest import Api

BODY = "<mjml><mj-body>\n<mj-section><mj-column>\n{}\n</mj-column></mj-section></mj-body></mjml>"
TEXT = BODY.format("<mj-text>Hi {{ person.name | default(\"<you> & 'me'\") }}</mj-text>")


def email(mjml: str, **more: Any) -> dict[str, Any]:
    said = {"subject": "Hi", "mjml": mjml} | more
    return {"name": "Hello", "channel": "email", "texts": {"en": said}}


async def test_it_is_html_for_each_person_and_shown_as_it_was_written(api: Api) -> None:
    made = await api.put("/templates/hello", email(TEXT))
    assert made["texts"]["en"] == {"subject": "Hi", "mjml": TEXT}
    await api.send("/v1/identify", {"userId": "ada", "traits": {"name": "Ada & Bob"}})
    await api.settle()
    answer = await api.call("POST", "/templates/hello/preview", json={"profile": "user_id:ada"})
    message = answer.json()["message"]
    assert "Hi Ada &amp; Bob</div>" in message["html"]
    assert message["html"].startswith("<!doctype html>")
    assert message["text"] == "Hi Ada & Bob\n"
    assert "mjml" not in message
    assert (await api.put("/templates/hello", email(TEXT)))["version"] == 1
    versions: Any = (await api.get("/templates/hello/versions"))["versions"]
    assert versions[0]["template"]["texts"]["en"]["mjml"] == TEXT


async def test_jinja_stays_in_texts_attributes_and_between_sections() -> None:
    button = '<mj-button href="{{ links.preferences }}">{{ values.a }}</mj-button>'
    source = BODY.format("{% if person.b %}" + button + "{% endif %}{# a\nnote #}")
    html = await compiled(source)
    assert 'href="{{ links.preferences }}"' in html
    order = [html.index(each) for each in ("{% if person.b %}", "{{ values.a }}", "{% endif %}")]
    assert order == sorted(order)
    assert "jinja" not in html.replace("{{", "").replace("}}", "").lower()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (BODY.format("<mj-foo/>"), "line 3: there is no tag mj-foo"),
        (BODY.format("<mj-text>a"), "line 4: mj-column ends here and did not begin; mj-text of 3"),
        (BODY.format("<!-- <mj-foo/> -->\n<mj-text>a</mj-texts>"), "line 4: there is no tag"),
        ("<mjml>\n<mj-body>\n", "line 1: mjml does not end"),
        ("<mjml><mj-body>\n<mj-include path='a.mjml'/></mj-body></mjml>", "line 2: mj-include"),
        ("<p>Hi</p>", "line 1: it begins with the tag mjml"),
        (BODY.format("<mj-image foo='{{ person.a }}'/>"), "line 3: {{ person.a }} stands where"),
        (BODY.format("<mj-text>" + "<div>" * 15_000 + "</mj-text>"), ""),
        (BODY.format("<mj-text>{{ person.a"), "line 4: mj-column ends here"),
    ],
    ids=range(9),
)
async def test_what_it_cannot_be_is_named_with_its_line(source: str, told: str) -> None:
    with pytest.raises(Uncompiled) as refused:
        await compiled(source)
    assert all(word in str(refused.value) for word in told.split("of 3"))


@pytest.mark.parametrize(
    ("said", "field", "told"),
    [
        (email("<mjml>\n<mj-foo/></mjml>"), "texts.en.mjml", "line 2: there is no tag mj-foo"),
        (email("<mjml>\n{{ unknown }}</mjml>"), "texts.en.mjml", "there is no variable unknown"),
        (email(TEXT, html="<p>Hi</p>"), "texts.en.mjml", "beside html"),
        (email(TEXT) | {"channel": "push"}, "texts.en.title", "Must be there"),
    ],
    ids=range(4),
)
async def test_the_api_names_the_field(
    api: Api, said: dict[str, Any], field: str, told: str
) -> None:
    answer = await api.call("PUT", "/templates/hello", json=said)
    assert answer.status_code == 400
    assert field in str(answer.json())
    assert told in str(answer.json())
