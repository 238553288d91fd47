"""What campaigns look like in the API's description."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, ID
from cdp.api.shapes import Component, Names, Null, Perhaps

_SAID: dict[str, Any] = {
    "name": "Abandoned cart",
    "trigger": Component("TriggerSchema", {"segment": "left-carts"}),
    "purpose": "marketing_email",
    "steps": [
        Component("StepSchema", {"wait": "1h"}),
        Component("StepSchema", {"send": {"template": "cart", "channels": ["push", "mail"]}}),
    ],
    "audience": Perhaps("customers"),
    "exclude": Perhaps("buyers"),
    "goal": Perhaps(Component("GoalSchema", {"event": "Order Completed", "within": "7d"})),
    "holdout": Perhaps(0.1),
    "again": Perhaps("30d"),
    "priority": Perhaps(5),
    "corrections": Perhaps(False),
}
CAMPAIGN: dict[str, Any] = {
    "key": "abandoned-cart",
    "version": 1,
    "paused": False,
} | _SAID
CAMPAIGNS: dict[str, Any] = {"campaigns": [CAMPAIGN]}
VERSIONS: dict[str, Any] = {"versions": [{"version": 1, "made_at": AT, "campaign": _SAID}]}
CALLED: dict[str, Any] = {"campaign": "abandoned-cart", "profile_id": ID, "call": "5f0d" * 8}
TRIED: dict[str, Any] = {
    "since": AT,
    "whole": True,
    "starts": 1300,
    "people": 1251,
    "begun": 1100,
    "held_out": 134,
    "refused": Names({"was in it before": 49}),
    "first": Names({"mail": 1080}),
    "nobody": 20,
}
JOURNEYS: dict[str, Any] = {
    "journeys": [
        {
            "id": ID,
            "profile_id": ID,
            "version": 1,
            "at": AT,
            "cause": "left-carts 4711",
            "state": "active",
            "reason": "",
            "next_at": Null(AT),
            "converted_at": Null(AT),
        }
    ],
    "next": Null("cursor"),
}
_SHARE: dict[str, Any] = {"count": 110, "of": 1100, "rate": 0.1, "low": 0.0836, "high": 0.1191}
_WORTH: dict[str, Any] = {"total": 5610.5, "per_person": 5.1, "low": 4.2, "high": 6.0}
RESULTS: dict[str, Any] = {
    "conversions": {
        "treated": _SHARE,
        "held_out": _SHARE,
        "uplift": Null({"by": 0.02, "low": -0.01, "high": 0.05}),
    },
    "revenue": {
        "treated": _WORTH,
        "held_out": _WORTH,
        "lift": Null({"by": 0.3, "low": -0.1, "high": 0.7}),
    },
    "variants": Names({"cart": {"conversions": _SHARE, "revenue": _WORTH}}),
    "channels": Names({"mail": {"conversions": _SHARE, "revenue": _WORTH}}),
    "revenue_by_day": Names({"2026-01-15": {"conversions": _SHARE, "revenue": _WORTH}}),
    "refused": Names({"was in it before": 49}),
    "messages": [
        {
            "step": 1,
            "destination": "mail",
            "template": "cart",
            "requested": 1100,
            "sent": _SHARE,
            "refused": 40,
            "parked": 2,
            "under_way": 8,
            "opened": _SHARE,
            "clicked": _SHARE,
            "bounced": _SHARE,
            "complained": _SHARE,
            "unsubscribed": _SHARE,
        }
    ],
    "unsent": Names({"consent": 30}),
    "days": [
        {"day": "2026-01-15", "begun": 90, "held_out": 10, "converted": 9, "held_out_converted": 1}
    ],
    "occurrences": Names(
        {"2026-01-15T09:00:00": {"at": AT, "state": "done", "reason": "", "begun": 100, "late": 0}}
    ),
}
