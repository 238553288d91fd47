"""Examples of content and of what visitors see of it: what OpenAPI shows of them."""

from __future__ import annotations

from typing import Any

from cdp.api.parameters import TAKES
from cdp.api.samples import AT
from cdp.api.shapes import Free, Names, Null, Perhaps, plain, shape
from cdp.collect.documentation import ERRORS

_HTML = Names({"en": "<p>Free shipping this week</p>"})
CONTENT: dict[str, Any] = {
    "key": "shipping",
    "name": "Free shipping",
    "kind": "html",
    "slots": ["hero"],
    "variants": [
        {
            "key": "a",
            "weight": 1.0,
            "html": Perhaps(_HTML),
            "data": Perhaps(Names({"en": Free({"title": "Free shipping"})})),
        }
    ],
    "locale": "en",
    "priority": 10,
    "weight": 1.0,
    "from": Null(AT),
    "to": Null(AT),
    "segments": ["buyers"],
    "except_segments": ["returned"],
    "purpose": "personalization",
    "because": "You ordered from us before.",
    "tags": ["offer"],
    "metadata": Names({"campaign": Free("spring")}),
    "enabled": True,
    "updated_at": AT,
}
CONTENTS: dict[str, Any] = {"content": [CONTENT]}
IMPORTED: dict[str, Any] = {"imported": ["blog-1-6b86b273"], "removed": ["blog-2-d4735e3a"]}
DECISION = "qM1nJ4yQ0y8x6cVjlKhzaGlwcGluZ6FhpGhlcm_D"
BLOCKS: dict[str, Any] = {
    "blocks": Names(
        {
            "hero": {
                "content": Null("shipping"),
                "variant": Perhaps("a"),
                "locale": Perhaps("en"),
                "decision_id": Perhaps(DECISION),
                "reasons": ["You ordered from us before."],
                "tags": Perhaps(["offer"]),
                "metadata": Perhaps(Names({"campaign": Free("spring")})),
                "missing_purpose": Perhaps("marketing_push"),
                "html": Perhaps("<p>Free shipping this week</p>"),
                "data": Perhaps(Free({"title": "Free shipping"})),
            }
        }
    ),
    "personalized": True,
}
_WHY: dict[str, Any] = {"slot": "hero", "reasons": ["You ordered from us before."]}


def _open(
    summary: str, example: dict[str, Any], parameters: list[dict[str, Any]], *codes: int
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "application/json": {"schema": shape(example), "example": plain(example)}
    }
    if example is _WHY:
        content["text/html"] = {"schema": {"type": "string"}}
    done = {200: {"description": "As asked", "content": content}}
    return {
        "summary": summary,
        "responses": done | {code: ERRORS[code] for code in codes},
        "response_model": None,
        "openapi_extra": {"parameters": parameters, "security": [{"writeKey": []}, {}]},
    }


_SUBSCRIPTION = {
    "writeKey": "c0123456789abcdefghijklmn",
    "userId": "u-42",
    "subscription": {
        "endpoint": "https://fcm.googleapis.com/fcm/send/abc",
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH"
            "6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    },
}
OPEN_CONTENT = _open(
    "What a visitor sees in these slots", BLOCKS, TAKES["slots"], 400, 401, 403, 429, 503
)
OPEN_KEY = _open("What pages subscribe with", {"key": "BP4z9KsN…"}, [], 401, 403, 404, 429, 503)
OPEN_SUBSCRIBE = _open(
    "Register a browser for push messages", {"success": True}, [], 400, 401, 403, 413, 429, 503
)
OPEN_SUBSCRIBE["openapi_extra"]["requestBody"] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/SubscribingSchema"},
            "example": _SUBSCRIPTION,
        }
    },
}
OPEN_WHY = _open("Why somebody sees it, for them", _WHY, TAKES["decision"], 404, 429, 503)
