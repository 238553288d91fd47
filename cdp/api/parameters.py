"""The parameters that routes take, in their paths and behind them, as OpenAPI describes them."""

from __future__ import annotations

from typing import Any, get_args

from activation.campaigns.model import State as JourneyState
from activation.model import State
from cdp.api import pages
from cdp.api.refs import UUID as _UUID
from cdp.preferences.token import SCOPES
from consent.schema import KEY_PATTERN

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
_A_LOCALE = {"type": "string", "pattern": "^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,3}$"}
_A_KEY = {"type": "string", "pattern": KEY_PATTERN.pattern}
_KEY = {"name": "key", "in": "path", "required": True, "schema": _A_KEY, "example": "buyers"}


def _query(name: str, about: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _cursor(size: int) -> dict[str, Any]:
    """`size` is that of the position in bytes."""
    digits, padding = -(-size * 4 // 3), -size % 3 * "="
    pattern = f"^([A-Za-z0-9_-]{{{digits}}}{padding})?$"
    return _query("cursor", "`next` of the page before", type="string", pattern=pattern)


_A_SOURCE = {"type": "integer", "minimum": 1, "maximum": (1 << 31) - 1}
_SOURCE = {
    "name": "source",
    "in": "path",
    "required": True,
    "description": "the number of a write key, as quarantine and `cdp keys list` show it",
    "schema": _A_SOURCE,
    "example": 1,
}
_INSTANT = {"type": "string", "format": "date-time"}
_AT = _query("at", "as it was known at that time; now, if left out", **_INSTANT)
_LIMIT = _query("limit", "entries of a page", type="integer", minimum=1, maximum=1000, default=100)
_TRIAL = {
    "name": "trial",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_CLUSTER = {
    "name": "cluster",
    "in": "path",
    "required": True,
    "description": "the id of a cluster of the last fit",
    "schema": {"type": "string", "pattern": "^c[1-9][0-9]{0,8}$"},
    "example": "c1",
}
# by the name of what a path names
NAMED: dict[str, list[dict[str, Any]]] = {
    "ref": [_REF],
    "key": [_KEY],
    "source": [_SOURCE],
    "trial": [_TRIAL],
    "request": [_TRIAL | {"name": "request"}],
    "identifier": [_REF | {"description": "`namespace:value`", "schema": _IDENTIFIER}],
    "cluster": [_KEY, _CLUSTER],
    "membership": [_REF, _KEY],
    "": [],
}
_AS_OF = _query("as_of", "as of that time; now, if left out", **_INSTANT)
_FROM = _query("from", "from that time on", **_INSTANT)
_TO = _query("to", "up to that time; now, if left out", **_INSTANT)
# by what is asked for
TAKES: dict[str, list[dict[str, Any]]] = {
    "": [],
    "quarantine": [_LIMIT, _cursor(pages.NUMBER)],
    "members": [
        _LIMIT,
        _cursor(pages.PROFILE),
        _query("as_of", "who was in it at that time, by profile id alone", **_INSTANT),
        _query(
            "include",
            "what of each member; identifiers if left out",
            type="string",
            enum=["none", "identifiers", "traits", "identifiers,traits"],
        ),
    ],
    "at": [_AT],
    "version": [_query("version", "as it was then; as it is, if left out", **_A_SOURCE)],
    "quality": [
        _LIMIT,
        _query("source", "the number of a write key", **_A_SOURCE),
        _query("event", "its name", **_A_TEXT),
        _query(
            "hours",
            "how far back; as many before are what types are compared with",
            type="integer",
            minimum=1,
            maximum=168,
            default=24,
        ),
    ],
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
    "as_of": [_AS_OF],
    "diff": [_FROM | {"required": True}, _TO],
    "sizes": [
        _FROM,
        _TO,
        _query("every", "a point each day or hour", type="string", enum=["1d", "1h"]),
    ],
    "timeline": [
        _LIMIT,
        _cursor(pages.TIMELINE),
        _FROM,
        _TO,
        _query("event", "only what is called so", type="array", items=_A_TEXT, maxItems=100),
        _query(
            "include",
            "segments: entries and exits among them",
            type="string",
            enum=["none", "segments"],
        ),
    ],
    "profile": [
        _AS_OF,
        _query(
            "min_confidence",
            "as they are if inferred links count that are at least so probable, and no others",
            type="number",
            minimum=0.5,
            maximum=1,
        ),
    ],
    "slots": [
        _query(
            "slot",
            "keys of slots, up to 20",
            type="array",
            items=_A_KEY,
            minItems=1,
            maxItems=20,
        )
        | {"required": True, "example": ["hero"]},
        _query("user_id", "who looks", type="string"),
        _query("anonymous_id", "who looks, where no user is known", type="string"),
        _query(
            "locale", "languages, the dearest first", type="array", items=_A_LOCALE, maxItems=10
        ),
        _query("personalized", "false: what all see", type="string", enum=["true", "false"]),
    ],
    "decision": [_query("decision", "a block's `decision_id`", type="string") | {"required": True}],
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
    "journeys": [
        _LIMIT,
        _cursor(pages.DELIVERY),
        _query("profile", "`namespace:value`, or a profile id", **PERSON),
        _query("state", "how far it is", type="string", enum=list(get_args(JourneyState))),
    ],
    "results": [_query("segment", "of who was in it when their journey began", **_A_KEY)],
    "deliveries": [
        _LIMIT,
        _cursor(pages.DELIVERY),
        _query("profile", "`namespace:value`, or a profile id", **PERSON),
        _query("destination", "a destination's key", **_A_KEY),
        _query("state", "how far it is", type="string", enum=list(get_args(State))),
    ],
}
