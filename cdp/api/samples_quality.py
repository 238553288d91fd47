"""Examples of tracking plans and data quality: what OpenAPI shows of them."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT
from cdp.api.shapes import Free, Names, Null

_SCHEMA = {
    "type": "object",
    "required": ["revenue"],
    "properties": {"revenue": {"type": "number", "minimum": 0}},
}

PLAN: dict[str, Any] = {
    "source": 1,
    "version": 3,
    "owner": "shop team",
    "unplanned": "allow",
    "violations": "strip",
    "events": Names({"Order Completed": Free(_SCHEMA)}),
    "created_at": AT,
}
PLANS: dict[str, Any] = {"plans": [PLAN]}
PLAN_VERSIONS: dict[str, Any] = PLAN | {
    "versions": [{"version": 3, "created_at": AT, "owner": Null("shop team"), "deleted": False}]
}
_TYPES = Names({"number": 40, "string": 1})
QUALITY: dict[str, Any] = {
    "from": AT,
    "to": AT,
    "hours": 24,
    "events": [
        {
            "source": 1,
            "event": "Order Completed",
            "received": 41,
            "duplicates": 2,
            "late": 1,
            "late_rate": 0.024,
            "violations": [{"property": "revenue", "rule": "type", "count": 1}],
            "types": Names({"revenue": _TYPES}),
            "drift": [
                {"property": "revenue", "before": Names({"number": 800}), "now": _TYPES},
            ],
            "anomalies": [
                {
                    "hour": AT,
                    "received": 0,
                    "kind": "fewer",
                    "median": 33.0,
                    "mad": 2.0,
                    "score": -5.74,
                }
            ],
            "hourly": [{"hour": AT, "received": 41, "duplicates": 2, "late": 1, "violations": 1}],
        }
    ],
}
