"""Examples of every answer: OpenAPI shows them, and their shapes are what it promises."""

from __future__ import annotations

from typing import Any

from cdp.api.shapes import Free, Names, Null, Perhaps
from consent.purposes import DEFAULT_PURPOSES
from consent.schema import written
from consent.signals.google import NAMES as GOOGLE_NAMES

ID = "0b0e1f6a-7c1d-5d3e-9a53-0c7a2f6d9b11"
AT = "2026-01-15T09:30:00.000000Z"
FACT = "3f1c5a0e9b7d42c8a6e0d1f2b3c4d5e6"
NEXT = {"next": Null("AAAAAAAAAAc=")}

PROFILE: dict[str, Any] = {
    "profile_id": ID,
    "identifiers": Names(
        {"user_id": ["u-42"], "anonymous_id": ["a-1"], "email": ["ada@example.com"]}
    ),
    "traits": Names({"country": Free("DE"), "email": "ada@example.com"}),
    "push": Perhaps(Names({"$push.webpush.9f2c4e6a8b0d1f35": Free({"endpoint": "https://…"})})),
    "computed": Names({"lifetime_value": Free(51.2)}),
    "predicted": Perhaps(Names({"tribe": {"model": "tribe", "version": 1, "at": AT}})),
    "groups": Names({"g-1": Names({"name": Free("Analytical Engines")})}),
    "segments": ["buyers"],
    "consent": Names({purpose.key: "granted" for purpose in DEFAULT_PURPOSES}),
    "first_seen": AT,
    "last_seen": AT,
    "timezone": Null("Europe/Berlin"),
    "active_hours": Names({"9": 3, "20": 1}),
    "events": Names({"page": 3, "Order Completed": 1}),
}
PURPOSE: dict[str, Any] = {
    "key": "analytics",
    **written(DEFAULT_PURPOSES[1]),
    "by_default": Null("granted"),
    "bases": Names({"gdpr": {"basis": "legitimate_interests", "default": "granted"}}),
    "validity_days": Null(730),
    "channels": ["email"],
    "retention_days": Null(396),
}
NOTICE: dict[str, Any] = {
    "version": "2026-01",
    "texts": Names(
        {
            "en": {
                "title": "News from us",
                "text": "We would like to write to you about new products.",
                "text_hash": "5f0c1d2e3b4a59687786a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
                "created_at": AT,
            }
        }
    ),
}
NOTICES: dict[str, Any] = {"notices": [NOTICE]}
REGIMES: dict[str, Any] = {
    "regimes": Names(
        {
            "gdpr": {
                "name": "GDPR and ePrivacy Directive",
                "places": ["AT", "DE"],
                "sources": ["Regulation (EU) 2016/679, Art. 6, 7, 21, 22"],
                "purposes": Names({"analytics": {"basis": "consent", "default": "denied"}}),
            }
        }
    )
}
PURPOSES: dict[str, Any] = {"purposes": [PURPOSE]}
DECISION: dict[str, Any] = {
    "purpose": "marketing_email",
    "state": "granted",
    "at": AT,
    "fact": FACT,
}
_TOLD: dict[str, Any] = {
    "state": "granted",
    "at": AT,
    "source": "api",
    "signal": "marketing_email",
    "fact": FACT,
}
_PARTICULARS = {
    "jurisdiction": Perhaps("DE"),
    "notice": Perhaps("2026-01"),
    "proof": Perhaps("double opt-in"),
    "notice_hashes": Perhaps(Names({"en": "5f0c1d2e3b4a5968"})),
}
CONSENT: dict[str, Any] = {
    "profile_id": ID,
    "state": Names({"analytics": "granted", "marketing_email": "granted"}),
    "decisions": Names(
        {"marketing_email": _TOLD | {"until": Perhaps(AT), "expired": Perhaps(True)}}
    ),
    "defaults": Names(
        {"analytics": {"state": "denied", "basis": Null("consent"), "regime": Null("gdpr")}}
    ),
    "google": dict.fromkeys(GOOGLE_NAMES, "granted"),
    "history": [_TOLD | {"purpose": "marketing_email"} | _PARTICULARS],
    "as_of": Perhaps(AT),
}
CONTACTABLE: dict[str, Any] = {
    "people": [
        {
            "profile_id": ID,
            "decision": Null(_TOLD),
            "identifiers": Perhaps(PROFILE["identifiers"]),
        }
    ],
    **NEXT,
}
DESTINATION: dict[str, Any] = {
    "key": "crm",
    "kind": "webhook",
    "url": Perhaps("https://hooks.example.com/cdp"),
    "segments": ["buyers"],
    "purpose": "marketing_email",
    "channel": "",
    "max_attempts": 8,
    "timeout": 10.0,
    "concurrency": 64,
    "rate": Null(50.0),
    "enabled": True,
    "consent_events": True,
    "corrections": True,
}
# What kinds have of their own, beside that.
DESTINATION |= {
    "batch": Perhaps(20),
    "subject": Perhaps("mailto:ops@example.com"),
    "ttl": Perhaps(86_400),
    "urgency": Perhaps("normal"),
    "services": Perhaps(["https://fcm.googleapis.com"]),
    "traits": Perhaps(Names({"email": "email"})),
    "first_load": Perhaps(True),
    "identifiers": Perhaps(Names({"email": "email"})),
    "computed": Perhaps(Names({"lifetime_value": "lifetime_value"})),
    "format": Perhaps("ndjson"),
    "folder": Perhaps("audiences/crm"),
    "bucket": Perhaps("audiences"),
    "region": Perhaps("eu-central-1"),
    "access_key_id": Perhaps("AKIAIOSFODNN7EXAMPLE"),
    "host": Perhaps("db.example.com"),
    "port": Perhaps(5432),
    "database": Perhaps("warehouse"),
    "user": Perhaps("cdp"),
    "tls": Perhaps("require"),
    "table": Perhaps("cdp_audiences"),
    "topic": Perhaps("com.example.shop"),
    "team_id": Perhaps("A1B2C3D4E5"),
    "key_id": Perhaps("F6G7H8I9J0"),
    "security": Perhaps("starttls"),
    "username": Perhaps("cdp"),
    "from_address": Perhaps("news@shop.example"),
    "from_name": Perhaps("The Shop"),
    "reply_to": Perhaps("care@shop.example"),
    "return_path": Perhaps("bounces@shop.example"),
    "connections": Perhaps(4),
    "dkim_domain": Perhaps("shop.example"),
    "dkim_selector": Perhaps("2026a"),
    "provider": Perhaps("ses"),
}
DESTINATION_PUT: dict[str, Any] = DESTINATION | {
    "secret": Perhaps("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    "private_key": Perhaps("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
}
SYNC: dict[str, Any] = {
    "state": "running",
    "reason": "first load",
    "full": False,
    "segments": ["buyers"],
    "members": 12_000,
    "looked_at": 4_500,
    "entered": 4_500,
    "left": 0,
    "created_at": AT,
    "updated_at": AT,
    "ended_at": Null(AT),
}
SYNCS: dict[str, Any] = {"syncs": [SYNC]}
DESTINATION_TOLD: dict[str, Any] = DESTINATION | {
    "circuit": {"state": "closed", "since": Null(AT), "until": Null(AT), "reason": ""},
    "sync": Null(SYNC),
}
DESTINATIONS: dict[str, Any] = {"destinations": [DESTINATION]}
DELIVERIES: dict[str, Any] = {
    "deliveries": [
        {
            "id": ID,
            "destination": "crm",
            "profile_id": ID,
            "segment": "buyers",
            "change": "entered",
            "at": AT,
            "cause": FACT,
            "state": "sent",
            "attempts": 1,
            "purpose": "marketing_email",
            "certain": True,
            "consent": Null(
                {"purpose": "marketing_email", "state": "granted"}
                | {"because": "decision", "fact": Null(FACT), "at": Null(AT)}
                | {"notice": Null("2026-01"), "basis": Null("consent"), "regime": Null("gdpr")}
            ),
            "reason": "",
            "status": Null(200),
            "responses": Names({"delivered": AT}),
            "instead_of": Null(ID),
            "because": "",
            "next_attempt_at": Null(AT),
            "created_at": AT,
            "updated_at": AT,
        }
    ],
    **NEXT,
}
DELIVERIES_REPLAYED: dict[str, Any] = {"replayed": 3, "more": False}
QUARANTINE: dict[str, Any] = {
    "quarantine": [
        {
            "id": 1,
            "source": Null(1),
            "received_at": AT,
            "reason": "event: is missing; a track call names the event",
            "field": "event",
            "route": "/v1/track",
            "message": Free({"userId": "u-42", "properties": {"revenue": 51.2}}),
        }
    ],
    **NEXT,
}
REPLAYED: dict[str, Any] = {"replayed": 1, "refused": [{"id": 2, "reason": "event: is missing"}]}
AUDIT: dict[str, Any] = {
    "entries": [
        {
            "position": 12,
            "at": AT,
            "actor": "api:2",
            "name": "audience pull",
            "address": "192.0.2.7",
            "action": "PUT /api/v1/segments/{key}",
            "target": "buyers",
            "people": ["6a0c3f9e1d2b4c5e8f7a9b0c1d2e3f40"],
            "outcome": "done",
            "request": FACT,
            "mac": "9f" * 32,
        }
    ],
    **NEXT,
}
