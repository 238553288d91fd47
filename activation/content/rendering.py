"""Blocks of HTML, in the language of all templates: what a person brings is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError

from activation.templates import language

PERSON = frozenset({"person", "computed"})  # traits, and computed traits
KNOWN = frozenset({*PERSON, "content"})  # and a content's own key, name, tags and metadata


class Unrenderable(Exception):
    """A template went wrong; the message says nothing of anybody."""


def names(source: str) -> frozenset[str]:
    """The variables that a template takes; Unrenderable, naming the line, if it is none."""
    try:
        return language.names(source, html=True)
    except TemplateError as error:
        raise _told(error) from None


def rendered(source: str, variables: Mapping[str, Any]) -> str:
    """The HTML; Unrenderable, too, where a value is missing that has no default."""
    try:
        return language.render(source, variables, html=True)
    except TemplateError as error:
        raise _told(error) from None


def _told(error: TemplateError) -> Unrenderable:
    line = getattr(error, "lineno", None)
    return Unrenderable(f"line {line}: {error.message}" if line else str(error.message))
