"""Blocks of HTML from templates, in the language of messages' templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PERSON = frozenset({"person", "computed"})  # traits, and computed traits
KNOWN = frozenset({*PERSON, "content"})  # and a content's own key, name, tags and metadata


class Unrenderable(Exception):
    """A template went wrong; the message says nothing of anybody."""


def names(source: str) -> frozenset[str]:
    """The variables that a template takes; Unrenderable, naming the line, if it is none."""
    from jinja2 import TemplateError

    from activation.templates import language

    try:
        return language.names(source, html=True)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise Unrenderable(f"line {line}: {error.message}") from None


def rendered(source: str, variables: Mapping[str, Any]) -> str:
    """The HTML; what is not there is empty, or what `default(…)` says."""
    from jinja2 import TemplateError

    from activation.templates import language

    try:
        return language.render(source, variables, html=True, lenient=True)
    except TemplateError as error:
        raise Unrenderable(type(error).__name__) from None
