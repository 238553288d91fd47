"""Pages as HTML: no script, no request to anybody, readable in every colour, one style in the page.

jinja2 escapes whatever comes from outside. It is imported with the first page, not before.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from cdp.preferences import colours
from cdp.preferences.languages import Language, languages
from cdp.preferences.store import Brand

if TYPE_CHECKING:
    from jinja2 import Environment

_POLICY = (
    "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class Page(NamedTuple):
    """What a browser gets, and the policy that it must be shown under."""

    html: str
    policy: str


def page(name: str, language: Language, brand: Brand, **values: Any) -> Page:
    """The page of that template."""
    style = _style(brand.color)
    html = (
        _environment()
        .get_template(f"{name}.html")
        .render(
            values,
            brand=brand,
            language=language,
            languages=languages().values(),
            style=style,
            t=language.texts,
        )
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return Page(html, _POLICY.format(style=digest))


def trouble(status: int, language: Language, brand: Brand) -> Page:
    """The page for a link that does not do what it should."""
    errors: Mapping[str, Any] = language.texts["errors"]
    title, text = errors.get(str(status), errors["other"])
    return page("message", language, brand, title=title, text=text)


@cache
def version(code: str) -> str:
    """What somebody saw, for the proof: a page's language, and a hash of its texts and forms."""
    seen = hashlib.sha256(languages()[code].version.encode())
    for file in sorted(_templates().iterdir(), key=lambda each: each.name):
        seen.update(file.read_bytes())
    return f"{code}-{seen.hexdigest()[:8]}"


def _templates() -> Any:
    return resources.files("cdp.preferences") / "templates"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("cdp.preferences"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=16)
def _style(color: str) -> str:
    return _environment().get_template("style.css").render(c=colours.palette(color))
