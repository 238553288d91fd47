"""What OpenAPI says about the API: bodies from the forms that check them, answers by example."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from activation.model import State
from cdp import __version__
from cdp.api import pages
from cdp.api.shapes import PROBLEM, plain, shape
from cdp.forms import Form
from cdp.preferences.token import SCOPES
from consent.schema import KEY_PATTERN
from profiles.schema import MAX_LIST, Condition, EventCondition, Scalar, TraitCondition

_CODES = {
    400: "The request is not understood; `detail` names the field and the fix",
    401: "No API key, or one that is not known",
    403: "The API key lacks the scope",
    404: "Nothing under that name",
    409: "The request contradicts what is stored",
    413: "The body is too large",
    429: "Over the rate; ask again after `Retry-After` seconds",
    503: "The store is away; ask again after `Retry-After` seconds",
}
_AWAY = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
_UUID = "[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
PERSON = {
    "type": "string",
    "anyOf": [{"pattern": "^[A-Za-z][A-Za-z0-9_.]*:.+$"}, {"pattern": f"^(profile_id:)?{_UUID}$"}],
}
_IDENTIFIER = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.]*:.+$"}
_REF = {
    "name": "ref",
    "in": "path",
    "required": True,
    "description": "`namespace:value`, or a profile id",
    "schema": PERSON,
    "example": "email:ada@example.com",
}
_A_TEXT = {"type": "string", "maxLength": 200}
_A_KEY = {"type": "string", "pattern": KEY_PATTERN.pattern}
_KEY = {"name": "key", "in": "path", "required": True, "schema": _A_KEY, "example": "buyers"}
_DESCRIPTION = """
Point an SDK of Segment, RudderStack or Jitsu at this host; read profiles, define segments, record
consent and pull audiences here. Collecting takes a write key, `/api/v1` an API key.
"""


def _query(name: str, about: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _cursor(size: int) -> dict[str, Any]:
    """`size` is that of the position in bytes."""
    digits, padding = -(-size * 4 // 3), -size % 3 * "="
    pattern = f"^([A-Za-z0-9_-]{{{digits}}}{padding})?$"
    return _query("cursor", "`next` of the page before", type="string", pattern=pattern)


_INSTANT = {"type": "string", "format": "date-time"}
_AT = _query("at", "as it was known at that time; now, if left out", **_INSTANT)
_LIMIT = _query("limit", "entries of a page", type="integer", minimum=1, maximum=1000, default=100)
_TRIAL = {
    "name": "trial",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_NAMED: dict[str, list[dict[str, Any]]] = {
    "ref": [_REF],
    "key": [_KEY],
    "trial": [_TRIAL],
    "request": [_TRIAL | {"name": "request"}],
    "identifier": [_REF | {"description": "`namespace:value`", "schema": _IDENTIFIER}],
    "": [],
}
_TAKES: dict[str, list[dict[str, Any]]] = {
    "": [],
    "quarantine": [_LIMIT, _cursor(pages.NUMBER)],
    "members": [
        _LIMIT,
        _cursor(pages.PROFILE),
        _query(
            "include",
            "what of each member; identifiers if left out",
            type="string",
            enum=["none", "identifiers", "traits", "identifiers,traits"],
        ),
    ],
    "at": [_AT],
    "contactable": [
        _LIMIT,
        _cursor(pages.PROFILE),
        _AT,
        _query(
            "include",
            "what of each person beside their id; identifiers if left out",
            type="string",
            enum=["none", "identifiers"],
        ),
    ],
    "changes": [
        _LIMIT,
        _query("after", "`next` of the page before", type="integer", minimum=-1, maximum=1 << 62),
    ],
    "two": [
        _query("a", "`namespace:value`", **_IDENTIFIER) | {"required": True},
        _query("b", "`namespace:value`", **_IDENTIFIER) | {"required": True},
    ],
    "profile": [
        _query(
            "min_confidence",
            "as they are if inferred links count that are at least so probable, and no others",
            type="number",
            minimum=0.5,
            maximum=1,
        )
    ],
    "links": [
        _query("scope", "what they open; all, if left out", type="string", enum=list(SCOPES))
    ],
    "privacy": [_LIMIT, _cursor(pages.NUMBER)],
    "suggestions": [_LIMIT, _cursor(pages.PAIR)],
    "suspects": [_LIMIT, _cursor(pages.PROFILE)],
    "audit": [
        _LIMIT,
        _cursor(pages.NUMBER),
        _query("actor", "`api:KEY ID` or `cli:OS USER`", **_A_TEXT),
        _query("action", "method and route, or command", **_A_TEXT),
        _query("about", "`namespace:value`, or a profile id", **PERSON),
    ],
    "deliveries": [
        _LIMIT,
        _cursor(pages.DELIVERY),
        _query("profile", "`namespace:value`, or a profile id", **PERSON),
        _query("destination", "a destination's key", **_A_KEY),
        _query("state", "how far it is", type="string", enum=list(get_args(State))),
    ],
}


def read(
    summary: str,
    example: dict[str, Any],
    *,
    named: str = "",
    takes: str = "",
    ndjson: bool = False,
) -> dict[str, Any]:
    """A GET route's documentation; `named` is its path parameter, `takes` its query's kind."""
    content: dict[str, Any] = {"application/json": _by_example(example)}
    if ndjson:
        content["application/x-ndjson"] = {"schema": {"type": "string"}}
    parameters = [*_NAMED[named], *_TAKES[takes]]
    return _operation(summary, {200: {"description": "As asked", "content": content}}, parameters)


def write(
    summary: str,
    form: str,
    example: dict[str, Any],
    *,
    named: str = "",
    required: bool = True,
    code: int = 200,
) -> dict[str, Any]:
    """A PUT or POST route's documentation; `form` names the schema of the body."""
    said = "Done" if code == 200 else "Taken in"
    done = {code: {"description": said, "content": {"application/json": _by_example(example)}}}
    about = _operation(summary, done, _NAMED[named])
    schema = {"$ref": f"#/components/schemas/{form}"}
    body = {"required": required, "content": {"application/json": {"schema": schema}}}
    about["openapi_extra"]["requestBody"] = body
    return about | {"status_code": code}


def download(summary: str, media_type: str, *, named: str) -> dict[str, Any]:
    """A GET route's documentation that answers with a file."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    problem = {"application/problem+json": {"schema": PROBLEM}}
    done = {
        200: {"description": "As asked", "content": content},
        410: {"description": "It was there, and is deleted", "content": problem},
    }
    return _operation(summary, done, _NAMED[named])


def act(summary: str, example: dict[str, Any], *, named: str = "") -> dict[str, Any]:
    """A POST route's documentation that takes no body."""
    done = {200: {"description": "Done", "content": {"application/json": _by_example(example)}}}
    return _operation(summary, done, _NAMED[named])


def delete(summary: str, *, named: str = "key", takes: str = "") -> dict[str, Any]:
    """A DELETE route's documentation."""
    gone = {204: {"description": "Gone"}}
    return _operation(summary, gone, [*_NAMED[named], *_TAKES[takes]]) | {"status_code": 204}


def _operation(
    summary: str, done: dict[int, Any], parameters: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": PROBLEM}}
    errors = {code: {"description": d, "content": problem} for code, d in _CODES.items()}
    errors[429]["headers"] = errors[503]["headers"] = _AWAY
    return {
        "summary": summary,
        "responses": done | errors,
        "response_model": None,
        "openapi_extra": {"parameters": list(parameters), "security": [{"apiKey": []}]},
    }


def _by_example(example: dict[str, Any]) -> dict[str, Any]:
    return {"schema": shape(example), "example": plain(example)}


def install(app: FastAPI, forms: Iterable[type[Form]]) -> None:
    """Make the application describe itself with these forms among the components."""

    def describe() -> dict[str, Any]:
        if not app.openapi_schema:
            whole = get_openapi(
                title="Customer data platform",
                version=__version__,
                description=_DESCRIPTION,
                routes=app.routes,
            )
            components = whole.setdefault("components", {})
            components.setdefault("schemas", {}).update(_schemas(forms))
            components["securitySchemes"] = {
                "apiKey": {"type": "http", "scheme": "bearer"},
                "writeKey": {"type": "http", "scheme": "basic"},
            }
            app.openapi_schema = whole
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _schemas(forms: Iterable[type[Form]]) -> dict[str, Any]:
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec("", "", "3.1.0", plugins=[plugin])
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(_own)  # type: ignore[no-untyped-call]
    shown: list[type[Form]] = [*forms, TraitCondition, EventCondition]
    for form in shown:
        if _name(form) not in spec.components.schemas:
            spec.components.schema(_name(form), schema=form)
    schemas: dict[str, Any] = spec.to_dict()["components"]["schemas"]
    condition = {"$ref": "#/components/schemas/Condition"}
    several = {"type": "array", "items": condition, "minItems": 1, "maxItems": MAX_LIST}
    alternatives = [
        {
            "type": "object",
            "required": [kind],
            "properties": {kind: wanted},
            "additionalProperties": False,
        }
        for kind, wanted in (("all", several), ("any", several), ("not", condition))
    ]
    for name, fields in (("TraitCondition", 2), ("PropertyFilter", 2), ("Count", 1)):
        schemas[name]["minProperties"] = fields  # at least one of them is a comparison
    leaves = [{"$ref": f"#/components/schemas/{n}"} for n in ("TraitCondition", "EventCondition")]
    schemas["Condition"] = {"oneOf": [*leaves, *alternatives]}
    return schemas


def _own(self: Any, field: Any, **kwargs: Any) -> dict[str, Any]:
    """Of fields that are not marshmallow's own."""
    if isinstance(field, Condition):
        return {"$ref": "#/components/schemas/Condition"}
    if isinstance(field, Scalar):
        return {"type": ["string", "number", "boolean"]}
    return {}


def _name(schema: Any) -> str:
    found: type[Form] = schema if isinstance(schema, type) else type(schema)
    return found.__name__
