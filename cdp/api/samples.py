"""Examples of every answer: OpenAPI shows them, and their shapes are what it promises."""

from __future__ import annotations

from typing import Any

from consent.model import DEFAULT_PURPOSES

_ID = "0b0e1f6a-7c1d-5d3e-9a53-0c7a2f6d9b11"
_AT = "2026-01-15T09:30:00.000000Z"
_NEXT = {"next": None}

PROFILE: dict[str, Any] = {
    "profile_id": _ID,
    "identifiers": {"user_id": ["u-42"], "anonymous_id": ["a-1"], "email": ["ada@example.com"]},
    "traits": {"country": "DE", "email": "ada@example.com"},
    "groups": {"g-1": {"name": "Analytical Engines"}},
    "segments": ["buyers"],
    "consent": {purpose.key: purpose.by_default for purpose in DEFAULT_PURPOSES},
    "first_seen": _AT,
    "last_seen": _AT,
    "events": {"page": 3, "Order Completed": 1},
}
SEGMENT: dict[str, Any] = {
    "key": "buyers",
    "name": "Buyers",
    "purpose": "analytics",
    "where": {"event": "Order Completed", "within": "90d"},
    "state": "live",
    "size": 1,
    "version": 1,
    "created_at": _AT,
    "updated_at": _AT,
}
SEGMENTS: dict[str, Any] = {"segments": [SEGMENT]}
MEMBERS: dict[str, Any] = {
    "members": [{"profile_id": _ID, "since": _AT, "identifiers": PROFILE["identifiers"]}],
    **_NEXT,
}
CHANGES: dict[str, Any] = {
    "changes": [
        {
            "offset": 7,
            "profile_id": _ID,
            "change": "entered",
            "at": _AT,
            "cause": "3f1c5a0e9b7d42c8a6e0d1f2b3c4d5e6",
        }
    ],
    "next": 7,
}
PURPOSE: dict[str, Any] = DEFAULT_PURPOSES[1]._asdict() | {
    "signals": list(DEFAULT_PURPOSES[1].signals)
}
PURPOSES: dict[str, Any] = {"purposes": [PURPOSE]}
DECISION: dict[str, Any] = {
    "purpose": "marketing_email",
    "state": "granted",
    "at": _AT,
    "fact": "3f1c5a0e9b7d42c8a6e0d1f2b3c4d5e6",
}
_TOLD = {
    "state": "granted",
    "at": _AT,
    "source": "api",
    "signal": "marketing_email",
    "fact": "3f1c5a0e9b7d42c8a6e0d1f2b3c4d5e6",
}
CONSENT: dict[str, Any] = {
    "profile_id": _ID,
    "state": PROFILE["consent"] | {"marketing_email": "granted"},
    "decisions": {"marketing_email": _TOLD},
    "history": [_TOLD | {"purpose": "marketing_email"}],
}
DESTINATION: dict[str, Any] = {
    "key": "crm",
    "kind": "webhook",
    "url": "https://hooks.example.com/cdp",
    "segments": ["buyers"],
    "purpose": "marketing_email",
    "max_attempts": 8,
    "timeout": 10.0,
    "enabled": True,
}
DESTINATIONS: dict[str, Any] = {"destinations": [DESTINATION]}
DELIVERIES: dict[str, Any] = {
    "deliveries": [
        {
            "id": _ID,
            "destination": "crm",
            "profile_id": _ID,
            "segment": "buyers",
            "change": "entered",
            "at": _AT,
            "state": "sent",
            "attempts": 1,
            "purpose": "marketing_email",
            "consent": {"purpose": "marketing_email", "state": "granted"},
            "reason": "",
            "status": 200,
            "next_attempt_at": None,
            "created_at": _AT,
            "updated_at": _AT,
        }
    ],
    **_NEXT,
}
QUARANTINE: dict[str, Any] = {
    "quarantine": [
        {
            "id": 1,
            "source": 1,
            "received_at": _AT,
            "reason": "event: is missing; a track call names the event",
            "field": "event",
            "route": "/v1/track",
            "message": {"userId": "u-42", "properties": {"revenue": 51.2}},
        }
    ],
    **_NEXT,
}
REPLAYED: dict[str, Any] = {"replayed": 1, "refused": [{"id": 2, "reason": "event: is missing"}]}
