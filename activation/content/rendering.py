"""Blocks of HTML from templates: in a sandbox, and what a person brings is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

PERSON = frozenset({"person", "computed"})  # traits, and computed traits
KNOWN = frozenset({*PERSON, "content"})  # and a content's own key, name, tags and metadata


class Unrenderable(Exception):
    """A template went wrong; the message says nothing of anybody."""


def names(source: str) -> frozenset[str]:
    """The variables that a template takes; Unrenderable, naming the line, if it is none."""
    from jinja2 import TemplateError, meta

    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(source)))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise Unrenderable(f"line {line}: {error.message}") from None


def rendered(source: str, variables: Mapping[str, Any]) -> str:
    """The HTML; what is not there is empty, or what `default(…)` says."""
    try:
        return _compiled(source).render(variables)
    except Exception as error:  # noqa: BLE001 - whatever a template does, the page goes on
        raise Unrenderable(type(error).__name__) from None


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import ChainableUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(autoescape=True, undefined=ChainableUndefined)
