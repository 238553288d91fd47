"""Examples of what segments and computed traits answer."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, FACT, ID, NEXT, PROFILE
from cdp.api.shapes import Component, Free, Null, Perhaps

SEGMENT: dict[str, Any] = {
    "key": "buyers",
    "name": "Buyers",
    "purpose": "analytics",
    "where": Component("Condition", {"event": "Order Completed", "within": "90d"}),
    "text": "count('Order Completed', 90d) >= 1",
    "sentence": "People who did “Order Completed” in the last 90 days.",
    "state": "live",
    "size": 1,
    "version": 1,
    "created_at": AT,
    "updated_at": AT,
    "progress": 1.0,
}
_EXPLAINED: dict[str, Any] = {
    "text": "count('Order Completed', 90d) >= 1",
    "holds": True,
    "until": Null(AT),
    "value": Free(1),
    "events": [{"id": FACT, "at": AT}],
}
EXPLANATION: dict[str, Any] = {
    "profile_id": ID,
    "segment": "buyers",
    "sentence": SEGMENT["sentence"],
    "member": True,
    "since": Null(AT),
    "until": Null(AT),
    "because": ["count('Order Completed', 90d) >= 1"],
    "missing": ["consent.analytics"],
    "tree": _EXPLAINED | {"of": [Free({"holds": True})]},
}
SEGMENTS: dict[str, Any] = {"segments": [SEGMENT]}
MEMBERS: dict[str, Any] = {
    "members": [
        {
            "profile_id": ID,
            "since": AT,
            "identifiers": Perhaps(PROFILE["identifiers"]),
            "traits": Perhaps(PROFILE["traits"]),
        }
    ],
    **NEXT,
}
CHANGES: dict[str, Any] = {
    "changes": [
        {
            "offset": 7,
            "profile_id": ID,
            "change": "entered",
            "at": AT,
            "cause": FACT,
        }
    ],
    "next": 7,
}
SEGMENT_VERSIONS: dict[str, Any] = {
    "versions": [
        {
            "version": 1,
            "name": "Buyers",
            "purpose": "analytics",
            "made_at": AT,
            "where": SEGMENT["where"],
            "text": SEGMENT["text"],
            "sentence": SEGMENT["sentence"],
        }
    ]
}
TRAIT: dict[str, Any] = {
    "key": "lifetime_value",
    "name": "Lifetime value",
    "purpose": "analytics",
    "value": Free({"event": "Order Completed", "sum": {"of": "revenue"}}),
    "text": "sum(revenue of 'Order Completed')",
    "state": "live",
    "version": 1,
    "created_at": AT,
    "updated_at": AT,
    "progress": 1.0,
}
TRAITS: dict[str, Any] = {"traits": [TRAIT]}
TRAIT_VERSIONS: dict[str, Any] = {
    "versions": [
        {
            "version": 1,
            "name": "Lifetime value",
            "purpose": "analytics",
            "made_at": AT,
            "value": TRAIT["value"],
            "text": TRAIT["text"],
        }
    ]
}
_ABOUT = {"about": 120, "low": 98, "high": 147}
PREVIEW: dict[str, Any] = {
    "text": SEGMENT["text"],
    "sentence": SEGMENT["sentence"],
    "people": 12_000,
    "looked_at": 1000,
    "size": _ABOUT,
    "overlap": [{"segment": "buyers", "size": _ABOUT, "share": 0.5}],
    "growth": [{"at": AT, "size": _ABOUT}],
    "sample": [{"profile_id": ID, "identifiers": PROFILE["identifiers"]}],
}
