"""Examples of the preference centre's answers, and what OpenAPI says of the routes of its own."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, FACT, ID
from cdp.api.shapes import PROBLEM, plain, shape
from cdp.preferences.model import FREQUENCIES
from cdp.preferences.store import Brand

_TOKEN = "3q2-7wVbXh0kT1n8Yc5RzA4sM6uE9pLg"  # noqa: S105 - nobody's
_URL = "https://cdp.example.com/preferences"

LINK: dict[str, Any] = {
    "url": f"{_URL}/{_TOKEN}",
    "token": _TOKEN,
    "expires_at": AT,
    "unsubscribe_url": f"{_URL}/unsubscribe/{_TOKEN}",
    "headers": {
        "List-Unsubscribe": f"<{_URL}/unsubscribe/{_TOKEN}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    },
}
OPT_IN: dict[str, Any] = {
    "url": f"{_URL}/confirm/{_TOKEN}",
    "token": _TOKEN,
    "expires_at": AT,
    "asked_at": AT,
    "fact": FACT,
}
BRAND: dict[str, Any] = Brand(
    name="Analytical Engines",
    address="12 Ockham Road, London",
    privacy_url="https://shop.example/privacy",
)._asdict()
PREFERENCES: dict[str, Any] = {
    "identifier": "a•••@example.com",
    "language": "en",
    "purposes": [
        {
            "key": "marketing_email",
            "name": "Marketing by e-mail",
            "description": "News and offers in your inbox.",
            "state": "granted",
            "always": False,
            "channels": ["email"],
        }
    ],
    "frequency": "all",
    "frequencies": list(FREQUENCIES),
    "requests": ["export", "erase"],
    "expires_at": AT,
}

_HTML = {"text/html": {"schema": {"type": "string"}}}
_CODES = {
    400: "The request is not understood",
    404: "The token is not whole, or opens something else",
    410: "The link has expired, or was taken back",
    413: "The body is too large",
    429: "Over the rate; ask again after `Retry-After` seconds",
    503: "The store is away; ask again after `Retry-After` seconds",
}
_PARAMETERS = [
    {
        "name": "token",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": 2048},
        "example": _TOKEN,
    },
    {
        "name": "lang",
        "in": "query",
        "description": "the page's language; else as `Accept-Language` says",
        "schema": {"type": "string", "example": "de"},
    },
]
_OPEN = "Takes no key: the token in the path says whose preferences they are."


def _route(
    summary: str, done: dict[int, dict[str, Any]], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": PROBLEM}} | _HTML
    errors = {code: {"description": told, "content": problem} for code, told in _CODES.items()}
    extra: dict[str, Any] = {"parameters": _PARAMETERS, "security": []}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": body}
    return {
        "summary": summary,
        "description": _OPEN,
        "responses": done | errors,
        "response_model": None,
        "openapi_extra": extra,
    }


def _shown(example: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": shape(example), "example": plain(example)}}


def _form(example: dict[str, str], *kinds: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": list(example),
        "properties": {name: {"type": "string", "const": v} for name, v in example.items()},
    }
    return {kind: {"schema": schema, "example": example} for kind in kinds}


def _component(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


_FORM = "application/x-www-form-urlencoded"
_PAGE = {200: {"description": "The page", "content": _HTML}}
_BACK = {303: {"description": "Done: look at the page again"}}
_DATA = _shown({"request": ID})
SHOW = _route(
    "Somebody's preferences: a page, or JSON",
    {200: {"description": "As asked", "content": _shown(PREFERENCES) | _HTML}},
)
CHOOSE = _route(
    "Decide",
    {200: {"description": "Durable; how they stand now", "content": _shown(PREFERENCES)}},
    _component("ChoicesSchema"),
)
POST = _route(
    "What the page's buttons do; as JSON, ask for one's data or its erasure",
    {200: {"description": "Asked for", "content": _DATA}} | _BACK,
    _component("PrivacySchema") | _form({"do": "none"}, _FORM),
)
ASK = _route("A page with a button; it changes nothing", _PAGE)
UNSUBSCRIBE = _route(
    "One-click unsubscribe (RFC 8058)",
    {200: {"description": "Durable: unsubscribed", "content": _HTML}},
    _form({"List-Unsubscribe": "One-Click"}, _FORM, "multipart/form-data"),
)
CONFIRM = _route("Confirm a double opt-in", _BACK, _form({"confirm": "yes"}, _FORM))
