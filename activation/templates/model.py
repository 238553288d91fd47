"""Templates as values, and what they make of a person: fields of a message, in their language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from jinja2 import TemplateError

from activation.templates.language import names, render
from activation.templates.plain import text_of

Channel: TypeAlias = Literal["email", "push", "data"]

# The fields of a message by channel, those that must be there first; of data, any.
FIELDS: dict[str, tuple[str, ...]] = {
    "email": ("subject", "html", "mjml", "text", "preheader"),
    "push": ("title", "body", "url", "icon", "data"),
    "data": (),
}
NEEDED: dict[str, tuple[str, ...]] = {"email": ("subject", "html"), "push": ("title",), "data": ()}
HTML = frozenset({"html", "mjml"})
ONE_LINE = frozenset({"subject", "title", "url", "icon", "preheader"})
VARIABLES = {
    "person": "a person's traits",
    "computed": "their computed traits",
    "event": "properties of the event that began it",
    "campaign": "its key, and the number of the step",
    "links": "unsubscribe and preferences, of an e-mail",
    "values": "what the template itself says",
}
LONGEST_LINE = 1000  # characters of a subject or title


class Unrendered(Exception):
    """No message: the template, its field and line, and what is wrong; nothing of anybody."""


@dataclass(frozen=True, slots=True)
class Template:
    """One version. `texts` are the sources of its fields by language; `values` its own values.

    What is in a push message's `data` are fields `data.NAME`.
    """

    key: str
    version: int
    name: str
    channel: Channel
    texts: Mapping[str, Mapping[str, str]]
    language: str  # of who reads none of its languages
    values: Mapping[str, Any]


def problem(field: str, source: str) -> str:
    """What is wrong with the source of a field; empty if nothing is."""
    try:
        asked = names(source, html=field in HTML)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        return f"line {line}: {error.message}" if line else str(error.message)
    unknown = sorted(asked - VARIABLES.keys())
    if unknown:
        return f"there is no variable {unknown[0]}; there are {', '.join(sorted(VARIABLES))}"
    return ""


def language_for(template: Template, traits: Mapping[str, Any]) -> str:
    """The language in which somebody is written to, by their trait `locale` or `language`.

    `de-AT` reads `de-AT`, else `de`; who says nothing, or another, gets the template's own.
    """
    for name in ("locale", "language"):
        said = traits.get(name)
        if isinstance(said, str):
            wanted = said.replace("_", "-").lower()
            for each in (wanted, wanted.partition("-")[0]):
                found = [known for known in template.texts if known.lower() == each]
                if found:
                    return found[0]
    return template.language


def message(template: Template, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message; Unrendered if there is none.

    `variables` are those of VARIABLES; an e-mail without a text gets that of its HTML.
    """
    texts = template.texts[language_for(template, variables.get("person", {}))]
    found: dict[str, Any] = {}
    for field, source in texts.items():
        try:
            made = render(source, {"values": template.values, **variables}, html=field in HTML)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            where = f"{field}, line {line}" if line else field
            raise Unrendered(f"template {template.key}, {where}: {error.message}") from None
        group, _, name = field.partition(".")
        if name:
            found.setdefault(group, {})[name] = made
        else:
            found[field] = _one_line(made) if field in ONE_LINE else made
    if template.channel == "email" and not found.get("text"):
        found["text"] = text_of(found["html"])
    return found


def _one_line(text: str) -> str:
    """No line break, and no other control character, ever comes into a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_LINE]
