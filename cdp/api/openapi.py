"""What OpenAPI says about the API: bodies from the forms that check them, answers by example."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cdp import __version__
from cdp.forms import Form
from profiles.schema import Condition, EventCondition, TraitCondition

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_CODES = {
    400: "The request is not understood; `detail` names the field and the fix",
    401: "No API key, or one that is not known",
    403: "The API key lacks the scope",
    404: "Nothing under that name",
    409: "The request contradicts what is stored",
    413: "The body is too large",
    503: "The store is away; ask again after `Retry-After` seconds",
}
_REF = {
    "name": "ref",
    "in": "path",
    "required": True,
    "description": "`namespace:value`, or a profile id",
    "schema": {"type": "string"},
    "example": "email:ada@example.com",
}
_KEY = {
    "name": "key",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"},
    "example": "buyers",
}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}
_DESCRIPTION = """
Point an SDK of Segment, RudderStack or Jitsu at this host; read profiles, define segments, record
consent and pull audiences here. Collecting takes a write key, `/api/v1` an API key.
"""


def _query(name: str, kind: str, about: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": about, "schema": {"type": kind}}


_CURSOR = _query("cursor", "string", "`next` of the page before")
_NAMED: dict[str, list[dict[str, Any]]] = {"ref": [_REF], "key": [_KEY], "": []}
_TAKES: dict[str, list[dict[str, Any]]] = {
    "": [],
    "pages": [_LIMIT, _CURSOR],
    "members": [
        _LIMIT,
        _CURSOR,
        _query("include", "string", "identifiers, traits, or none; identifiers if left out"),
    ],
    "changes": [_LIMIT, _query("after", "integer", "`next` of the page before")],
    "deliveries": [
        _LIMIT,
        _CURSOR,
        _query("profile", "string", "`namespace:value`, or a profile id"),
        _query("destination", "string", "a destination's key"),
        _query("state", "string", "requested, refused, sending, sent, retrying or parked"),
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


def write(summary: str, form: str, example: dict[str, Any], *, named: str = "") -> dict[str, Any]:
    """A PUT or POST route's documentation; `form` names the schema of the body."""
    done = {200: {"description": "Done", "content": {"application/json": _by_example(example)}}}
    about = _operation(summary, done, _NAMED[named])
    schema = {"$ref": f"#/components/schemas/{form}"}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    about["openapi_extra"]["requestBody"] = body
    return about


def delete(summary: str) -> dict[str, Any]:
    """A DELETE route's documentation."""
    return _operation(summary, {204: {"description": "Gone"}}, [_KEY]) | {"status_code": 204}


def _operation(
    summary: str, done: dict[int, Any], parameters: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _PROBLEM}}
    errors = {code: {"description": d, "content": problem} for code, d in _CODES.items()}
    return {
        "summary": summary,
        "responses": done | errors,
        "response_model": None,
        "openapi_extra": {"parameters": list(parameters), "security": [{"apiKey": []}]},
    }


def _by_example(example: dict[str, Any]) -> dict[str, Any]:
    """A schema that holds for the example: every field it shows is always there."""
    return {"schema": _shape(example), "example": example}


def _shape(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        named = {name: _shape(each) for name, each in value.items()}
        return {"type": "object", "properties": named}
    if isinstance(value, list):
        return {"type": "array", "items": _shape(value[0]) if value else {}}
    if value is None:
        return {}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": kinds[type(value)]}


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
    plugin.converter.add_attribute_function(_condition)  # type: ignore[no-untyped-call]
    shown: list[type[Form]] = [*forms, TraitCondition, EventCondition]
    for form in shown:
        if _name(form) not in spec.components.schemas:
            spec.components.schema(_name(form), schema=form)
    schemas: dict[str, Any] = spec.to_dict()["components"]["schemas"]
    condition = {"$ref": "#/components/schemas/Condition"}
    several = {"type": "array", "items": condition, "minItems": 1, "maxItems": 200}
    alternatives = [
        {"type": "object", "required": [kind], "properties": {kind: shape}}
        for kind, shape in (("all", several), ("any", several), ("not", condition))
    ]
    leaves = [{"$ref": f"#/components/schemas/{n}"} for n in ("TraitCondition", "EventCondition")]
    schemas["Condition"] = {"oneOf": [*leaves, *alternatives]}
    return schemas


def _condition(self: Any, field: Any, **kwargs: Any) -> dict[str, Any]:
    if isinstance(field, Condition):
        return {"$ref": "#/components/schemas/Condition"}
    return {}


def _name(schema: Any) -> str:
    found: type[Form] = schema if isinstance(schema, type) else type(schema)
    return found.__name__
