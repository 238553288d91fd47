"""Examples of every answer: OpenAPI shows them, and their shapes are what it promises."""

from __future__ import annotations

from typing import Any

from cdp.api.shapes import Component, Free, Names, Null, Perhaps
from consent.model import DEFAULT_PURPOSES

_ID = "0b0e1f6a-7c1d-5d3e-9a53-0c7a2f6d9b11"
_AT = "2026-01-15T09:30:00.000000Z"
_FACT = "3f1c5a0e9b7d42c8a6e0d1f2b3c4d5e6"
_NEXT = {"next": Null("AAAAAAAAAAc=")}

PROFILE: dict[str, Any] = {
    "profile_id": _ID,
    "identifiers": Names(
        {"user_id": ["u-42"], "anonymous_id": ["a-1"], "email": ["ada@example.com"]}
    ),
    "traits": Names({"country": Free("DE"), "email": "ada@example.com"}),
    "groups": Names({"g-1": Names({"name": Free("Analytical Engines")})}),
    "segments": ["buyers"],
    "consent": Names({purpose.key: purpose.by_default for purpose in DEFAULT_PURPOSES}),
    "first_seen": _AT,
    "last_seen": _AT,
    "events": Names({"page": 3, "Order Completed": 1}),
}
SEGMENT: dict[str, Any] = {
    "key": "buyers",
    "name": "Buyers",
    "purpose": "analytics",
    "where": Component("Condition", {"event": "Order Completed", "within": "90d"}),
    "state": "live",
    "size": 1,
    "version": 1,
    "created_at": _AT,
    "updated_at": _AT,
}
SEGMENTS: dict[str, Any] = {"segments": [SEGMENT]}
MEMBERS: dict[str, Any] = {
    "members": [
        {
            "profile_id": _ID,
            "since": _AT,
            "identifiers": Perhaps(PROFILE["identifiers"]),
            "traits": Perhaps(PROFILE["traits"]),
        }
    ],
    **_NEXT,
}
CHANGES: dict[str, Any] = {
    "changes": [
        {
            "offset": 7,
            "profile_id": _ID,
            "change": "entered",
            "at": _AT,
            "cause": _FACT,
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
    "fact": _FACT,
}
_TOLD: dict[str, Any] = {
    "state": "granted",
    "at": _AT,
    "source": "api",
    "signal": "marketing_email",
    "fact": _FACT,
}
_PARTICULARS = {
    "jurisdiction": Perhaps("DE"),
    "notice": Perhaps("2026-01"),
    "proof": Perhaps("double opt-in"),
}
CONSENT: dict[str, Any] = {
    "profile_id": _ID,
    "state": Names({"analytics": "granted", "marketing_email": "granted"}),
    "decisions": Names({"marketing_email": _TOLD}),
    "history": [_TOLD | {"purpose": "marketing_email"} | _PARTICULARS],
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
DESTINATION_PUT: dict[str, Any] = DESTINATION | {
    "secret": Perhaps("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
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
            "consent": Null(
                {"purpose": "marketing_email", "state": "granted"}
                | {"fact": Perhaps(Null(_FACT)), "at": Perhaps(Null(_AT))}
            ),
            "reason": "",
            "status": Null(200),
            "next_attempt_at": Null(_AT),
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
            "source": Null(1),
            "received_at": _AT,
            "reason": "event: is missing; a track call names the event",
            "field": "event",
            "route": "/v1/track",
            "message": Free({"userId": "u-42", "properties": {"revenue": 51.2}}),
        }
    ],
    **_NEXT,
}
REPLAYED: dict[str, Any] = {"replayed": 1, "refused": [{"id": 2, "reason": "event: is missing"}]}
RULED: dict[str, Any] = {"fact": _FACT, "at": _AT}
_EVIDENCE: dict[str, Any] = {
    "event": _FACT,
    "type": Null("identify"),
    "name": Null(""),
    "at": Null(_AT),
    "source": Null(1),
    "message_id": Null("m-1"),
}
_LINK: dict[str, Any] = {
    "a": "anonymous_id:a-1",
    "b": "user_id:u-42",
    "kind": "login",
    "first_seen": _AT,
    "taken": True,
    "for": "an identify call named both",
    "against": Null("one person has at most 1 user_id"),
    "evidence": _EVIDENCE,
}
EXPLAINED: dict[str, Any] = {
    "same": True,
    "answer": "The same person, because anonymous_id:a-1 and user_id:u-42: an identify call …",
    "path": [_LINK],
}
SUSPECTS: dict[str, Any] = {
    "suspects": [
        {
            "kind": "shared",
            "a": "email:info@example.com",
            "b": Null("anonymous_id:a-1"),
            "reason": "email:info@example.com is linked with 31 others",
        }
    ],
    **_NEXT,
}
IDENTITY: dict[str, Any] = {
    "profile_id": _ID,
    "identifiers": [{"identifier": "user_id:u-42", "first_seen": _AT, "state": "links"}],
    "links": [_LINK],
    "said": [
        {
            "a": "email:info@example.com",
            "b": "user_id:u-42",
            "same": False,
            "at": _AT,
            "reason": "the call centre typed its own address",
            "by": "eve",
        }
    ],
    "aliases": [_ID],
    "history": [{"at": _AT, "kind": "merged", "from": _ID, "to": _ID, "cause": _EVIDENCE}],
}
_NAMESPACE: dict[str, Any] = {
    "limit": Null(5),
    "people": Null(20),
    "neighbours": Null(500),
    "links": True,
    "blocked": ["info@*"],
    "providers": False,
    "region": "",
}
_RULES: dict[str, Any] = {
    "namespaces": Names({"email": _NAMESPACE}),
    "others": _NAMESPACE,
    "priority": ["user_id", "anonymous_id"],
    "strength": ["login", "identify", "alias", "together", "inferred"],
    "review": Null(25),
}
RULES: dict[str, Any] = {"version": 1, "state": "done", "since": Null(_AT), "rules": _RULES}
_MANY = Names({"1": 812, "2": 120, "3-5": 40})
TRIAL: dict[str, Any] = {
    "id": _ID,
    "state": "done",
    "done": 2400,
    "total": 2400,
    "rules": _RULES,
    "result": Null(
        {
            "identifiers_moved": 3,
            "profiles_merged": 0,
            "profiles_split": 1,
            "profiles": {"before": 972, "after": 973},
            "sizes": {"before": _MANY, "after": _MANY},
            "largest": [
                {
                    "kind": "split",
                    "identifiers": 3,
                    "now": [_ID],
                    "then": [_ID],
                    "who": ["user_id:u-42"],
                    "because": ["a rule says that email:info@example.com links nobody"],
                }
            ],
            "segments": Null([{"key": "buyers", "before": 31, "after": 32}]),
        }
    ),
}
