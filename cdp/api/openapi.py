"""What OpenAPI says about the API: bodies from the forms that check them, answers by example."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import activation.kinds as destinations
from cdp import __version__
from cdp.api.parameters import NAMED, TAKES
from cdp.api.shapes import PROBLEM, plain, shape
from cdp.forms import Form
from cdp.plans.schema import MAX_EVENTS, MAX_NAME, Events
from profiles.language.filters import MAX_FILTERS, Filter, Numeric, PropertyFilter, Scalar
from profiles.language.schema import LEAVES, MAX_LIST, MEASURED, Condition, Measured
from profiles.language.steps import Lacking, Step, StepOrLacking
from profiles.learning.hindsight import LAPSE
from profiles.models.schema import (
    AUTO,
    KINDS,
    MAX_CLUSTERS,
    MAX_FEATURES,
    Features,
    Goal,
    GoalEvent,
    Number,
    Sessions,
)

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
_TAG = {"ETag": {"schema": {"type": "string"}, "description": "what it is, as of now"}}
_KNOWN = {
    "name": "If-None-Match",
    "in": "header",
    "description": "the `ETag` of an earlier answer to the same question",
    "schema": {"type": "string"},
}
_DESCRIPTION = """
Point an SDK of Segment, RudderStack or Jitsu at this host; read profiles, define segments, record
consent and pull audiences here. Collecting takes a write key, `/api/v1` an API key.
"""


def read(
    summary: str,
    example: dict[str, Any],
    *,
    named: str = "",
    takes: str = "",
    ndjson: bool = False,
    tagged: bool = False,
) -> dict[str, Any]:
    """A GET route's documentation; `named` is its path parameter, `takes` its query's kind."""
    content: dict[str, Any] = {"application/json": _by_example(example)}
    if ndjson:
        content["application/x-ndjson"] = {"schema": {"type": "string"}}
    parameters = [*NAMED[named], *TAKES[takes]]
    done: dict[int, Any] = {200: {"description": "As asked", "content": content}}
    if tagged:
        done[200]["headers"] = _TAG
        done[304] = {"description": "As it was under the tag in `If-None-Match`", "headers": _TAG}
        parameters.append(_KNOWN)
    return _operation(summary, done, parameters)


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
    about = _operation(summary, done, NAMED[named])
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
    return _operation(summary, done, NAMED[named])


def act(summary: str, example: dict[str, Any], *, named: str = "") -> dict[str, Any]:
    """A POST route's documentation that takes no body."""
    done = {200: {"description": "Done", "content": {"application/json": _by_example(example)}}}
    return _operation(summary, done, NAMED[named])


def delete(summary: str, *, named: str = "key", takes: str = "") -> dict[str, Any]:
    """A DELETE route's documentation."""
    gone = {204: {"description": "Gone"}}
    return _operation(summary, gone, [*NAMED[named], *TAKES[takes]]) | {"status_code": 204}


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
    shown: list[type[Form]] = [*forms, *LEAVES.values(), *MEASURED.values()]
    kinds = [each.form for each in destinations.KINDS.values()]
    shown += [*KINDS.values(), GoalEvent, Sessions, *kinds]
    for form in (*shown, PropertyFilter, Step, Lacking):
        if _name(form) not in spec.components.schemas:
            spec.components.schema(_name(form), schema=form)
    schemas: dict[str, Any] = spec.to_dict()["components"]["schemas"]
    for name, needed in _COMPARED.items():
        schemas[name]["minProperties"] = needed + 1  # at least one of them is a comparison
    schemas["Condition"] = _tree("Condition", MAX_LIST, LEAVES.values())
    schemas["Model"] = {"anyOf": [_ref(_name(each)) for each in KINDS.values()]}
    schemas["Destination"] = {"anyOf": [_ref(_name(each)) for each in kinds]}
    schemas["Filter"] = _tree("Filter", MAX_FILTERS, [PropertyFilter])
    return schemas


# Forms that need a comparison, and how many fields they need beside it.
_COMPARED = {
    "TraitCondition": 1,
    "ComputedCondition": 1,
    "PropertyFilter": 1,
    "Count": 0,
    "Since": 0,
    "Distinct": 1,
    "Amount": 1,
    "Value": 1,
}


def _tree(name: str, most: int, leaves: Iterable[type[Form]]) -> dict[str, Any]:
    """Any of these, or several under all, any or not."""
    node = _ref(name)
    several = {"type": "array", "items": node, "minItems": 1, "maxItems": most}
    groups = [
        {
            "type": "object",
            "required": [kind],
            "properties": {kind: wanted},
            "additionalProperties": False,
        }
        for kind, wanted in (("all", several), ("any", several), ("not", node))
    ]
    return {"anyOf": [*(_ref(_name(form)) for form in leaves), *groups]}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT = {"type": "string", "description": "the same as a line of text"}


def _own(self: Any, field: Any, **kwargs: Any) -> dict[str, Any]:
    """Of fields that are not marshmallow's own."""
    return next((shown for kind, shown in _OWN.items() if isinstance(field, kind)), {})


def _name(schema: Any) -> str:
    found: type[Form] = schema if isinstance(schema, type) else type(schema)
    return found.__name__


_MEASURED = {"anyOf": [*(_ref(_name(each)) for each in MEASURED.values()), _TEXT]}
_FEATURE = {"anyOf": [_ref("EventMeasure"), _ref("SequenceMeasure"), _ref("Sessions"), _TEXT]}
_FEATURES = {
    "type": "object",
    "maxProperties": MAX_FEATURES,
    "propertyNames": {"minLength": 1, "maxLength": 64},
    "additionalProperties": _FEATURE,
}
_GOAL = {"anyOf": [{"const": LAPSE}, _ref("GoalEvent")]}
_NUMBER = {"anyOf": [{"const": AUTO}, {"type": "integer", "minimum": 2, "maximum": MAX_CLUSTERS}]}
_OWN: dict[type, dict[str, Any]] = {
    Condition: {"anyOf": [_ref("Condition"), _TEXT]},
    Measured: _MEASURED,
    Features: _FEATURES,
    Number: _NUMBER,
    Goal: _GOAL,
    Filter: _ref("Filter"),
    StepOrLacking: {"anyOf": [_ref("Step"), _ref("Lacking")]},
    Events: {
        "type": "object",
        "maxProperties": MAX_EVENTS,
        "propertyNames": {"minLength": 1, "maxLength": MAX_NAME},
        "additionalProperties": {"type": "object"},
    },
    Numeric: {"type": "number"},
    Scalar: {"type": ["string", "number", "boolean"]},
}
