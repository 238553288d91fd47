"""What OpenAPI says about the collector's routes, with an example of every call."""

from __future__ import annotations

from typing import Any

_SENT = {"messageId": "m-1", "timestamp": "2026-01-15T09:30:00.000Z"}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "track": {
        "userId": "u-42",
        "event": "Order Completed",
        "properties": {"order_id": "o-7", "revenue": 51.2, "currency": "EUR"},
    },
    "identify": {
        "userId": "u-42",
        "anonymousId": "a-1",
        "traits": {"email": "ada@example.com", "country": "DE"},
    },
    "page": {"anonymousId": "a-1", "name": "Pricing", "properties": {"path": "/pricing"}},
    "screen": {"anonymousId": "a-1", "name": "Basket"},
    "group": {"userId": "u-42", "groupId": "g-1", "traits": {"name": "Analytical Engines"}},
    "alias": {"userId": "u-42", "previousId": "a-1"},
    "merge": {
        "mergeProperties": [
            {"type": "email", "value": "ada@example.com"},
            {"type": "phone", "value": "+4930123456"},
        ]
    },
    "event": {"type": "track", "anonymousId": "a-1", "event": "Video Played"},
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
}
_SUCCESS = {
    "type": "object",
    "required": ["success"],
    "properties": {"success": {"type": "boolean", "const": True}},
}


def _answer(description: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    if schema is None:
        return {"description": description}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_RESULTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["messageId", "status", "reason"],
        "properties": {
            "messageId": {"type": "string"},
            "status": {"enum": ["accepted", "refused"]},
            "reason": {"type": "string"},
        },
    },
}
_LENIENT = (
    "Any JSON gets 200, whatever the content type says, gzip or not: what breaks the contract "
    "waits in quarantine. `X-Strict-Mode: 1` turns that into 400 with a result for each message."
)
ERRORS = {
    400: _answer(
        "Not JSON; or, with `X-Strict-Mode: 1`, a message was refused",
        _PROBLEM | {"properties": _PROBLEM["properties"] | {"results": _RESULTS}},
    ),
    401: _answer("Unknown write key, where `CDP_STRICT_KEYS` or strict mode ask for it", _PROBLEM),
    403: _answer("The write key may not be used from this origin", _PROBLEM),
    404: _answer("Not here", _PROBLEM),
    413: _answer("Over 4,000 KiB", _PROBLEM),
    429: _answer("Over the rate; send again after `Retry-After` seconds", _PROBLEM)
    | {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}},
    503: _answer("The store is away; send again after `Retry-After` seconds", _PROBLEM)
    | {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}},
}
_TAKEN = {200: _answer("Durable: stored, known already, or quarantined", _SUCCESS)}


def _body(example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"description": _LENIENT}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _sending(summary: str, example: dict[str, Any]) -> dict[str, Any]:
    codes = (400, 401, 403, 413, 429, 503)
    return {
        "summary": summary,
        "responses": _TAKEN | {code: ERRORS[code] for code in codes},
        "openapi_extra": _body(example) | {"security": [{"writeKey": []}, {}]},
        "response_model": None,
    }


def call(name: str) -> dict[str, Any]:
    """One call."""
    return _sending(f"Send one {name} call", _EXAMPLES[name] | _SENT)


BATCH = _sending(
    "Send up to 2,500 calls at once",
    {
        "batch": [
            {"type": "identify"} | _EXAMPLES["identify"] | _SENT,
            {"type": "track", "messageId": "m-2"} | _EXAMPLES["track"],
        ],
        "sentAt": "2026-01-15T09:30:01.000Z",
    },
)
METRICS: dict[str, Any] = {
    "summary": "Segment's own client metrics: answered, not kept",
    "responses": _TAKEN,
    "openapi_extra": {"security": [{}]},
    "response_model": None,
}
_SEGMENT = {"type": "string", "pattern": "^[^/]+$"}  # of a path
PIXEL: dict[str, Any] = {
    "summary": "A call in a picture's address, for e-mail",
    "responses": {
        200: {"description": "Always a GIF of one pixel", "content": {"image/gif": {}}},
        404: ERRORS[404],
    },
    "openapi_extra": {
        "security": [{}],
        "parameters": [
            {"name": "call", "in": "path", "required": True, "schema": _SEGMENT},
            {"name": "data", "in": "query", "schema": {"type": "string"}},
        ],
    },
    "response_model": None,
}
_OBJECT = {200: _answer("What the SDK needs to start", {"type": "object"})}
SETTINGS: dict[str, Any] = {
    "summary": "Settings for Segment's SDKs",
    "responses": _OBJECT | {404: ERRORS[404], 503: ERRORS[503]},
    "openapi_extra": {
        "security": [{}],
        "parameters": [{"name": "key", "in": "path", "required": True, "schema": _SEGMENT}],
    },
    "response_model": None,
}
SOURCE_CONFIG: dict[str, Any] = {
    "summary": "Settings for RudderStack's browser SDK",
    "responses": _OBJECT | {404: ERRORS[404], 503: ERRORS[503]},
    "openapi_extra": {
        "security": [{"writeKey": []}, {}],
        "parameters": [{"name": "writeKey", "in": "query", "schema": {"type": "string"}}],
    },
    "response_model": None,
}
SCRIPT: dict[str, Any] = {"include_in_schema": False, "response_model": None}
HIDDEN: dict[str, Any] = {"include_in_schema": False, "response_model": None}
