"""Examples of answers about what was: see `cdp.api.samples`."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, FACT, ID, NEXT, PROFILE
from cdp.api.shapes import Free, Names, Null, Perhaps

THEN: dict[str, Any] = PROFILE | {
    "as_of": Perhaps(AT),
    "decided": Perhaps(Names({"buyers": AT})),
}
READ: dict[str, Any] = {
    "profiles": [{"ref": "email:ada@example.com", "profile": Null(PROFILE)}],
}
_CHANGED = {"from": Free("DE"), "to": Free("AT")}
_STATES = {"from": Null("denied"), "to": Null("granted")}
_HELD = Names({"email": ["ada@example.com"]})
_MOVES = {"entered": ["buyers"], "left": ["carts"]}


def _values(example: Any) -> dict[str, Any]:
    return {
        "set": Names({"plan": example}),
        "changed": Names({"country": _CHANGED}),
        "gone": Names({"old": example}),
    }


DIFF: dict[str, Any] = {
    "from": AT,
    "to": AT,
    "profile_id": {"from": Null(ID), "to": Null(ID)},
    "traits": _values(Free("pro")),
    "groups": _values(Names({"name": Free("Analytical Engines")})),
    "identifiers": {"added": _HELD, "removed": _HELD},
    "segments": _MOVES,
    "decided": _MOVES,
    "consent": Names({"marketing_email": _STATES}),
    "events": Names({"Order Completed": {"from": 1, "to": 2}}),
}
TIMELINE: dict[str, Any] = {
    "profile_id": ID,
    "timeline": [
        {
            "kind": "event",
            "at": AT,
            "event": Perhaps("Order Completed"),
            "id": Perhaps(FACT),
            "type": Perhaps("track"),
            "received_at": Perhaps(AT),
            "user_id": Perhaps("u-42"),
            "anonymous_id": Perhaps("a-1"),
            "group_id": Perhaps(""),
            "properties": Perhaps(Names({"revenue": Free(51.2)})),
            "traits": Perhaps(Names({"country": Free("DE")})),
            "segment": Perhaps("buyers"),
            "change": Perhaps("entered"),
            "cause": Perhaps(FACT),
            "corrected": Perhaps(True),
            "corrects": Perhaps(FACT),
            "reason": Perhaps("the shop counted in cents"),
        }
    ],
    **NEXT,
}
CORRECTED: dict[str, Any] = {
    "correction": "9b0c6f1d2e7a4b5c8d3e0f1a2b4c6d8e",
    "corrects": FACT,
    "at": AT,
}
SIZE: dict[str, Any] = {"key": "buyers", "as_of": AT, "size": 1}
SIZES: dict[str, Any] = {"key": "buyers", "sizes": [{"at": AT, "size": 1}]}
