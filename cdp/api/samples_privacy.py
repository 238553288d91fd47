"""Examples of privacy requests: what OpenAPI shows of them."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, ID, NEXT
from cdp.api.shapes import Names, Null

_SIGNED = "eyJhbGciOiJFZERTQSJ9.eyJ0eXBlIjoiZXJhc3VyZSJ9.c2lnbmF0dXJl"

REQUEST: dict[str, Any] = {
    "id": ID,
    "kind": "erase",
    "status": "done",
    "asked_by": "operator",
    "namespace": "user_id",
    "reference": "TICKET-7",
    "received_at": AT,
    "due_at": AT,
    "overdue": False,
    "begun_at": Null(AT),
    "done_at": Null(AT),
    "reason": "",
    "attempts": 0,
    "next_attempt_at": Null(AT),
    "subjects": 3,
    "result": Null(
        {
            "at": AT,
            "events": 17,
            "keys_destroyed": 2,
            "rows": Names({"fragments": 2, "nodes": 3}),
        }
    ),
    "destinations": Names({"crm": "sent"}),
    "receipt": Null(_SIGNED),
    "archive": Null({"path": f"/api/v1/privacy/requests/{ID}/archive", "expires_at": AT}),
}
REQUESTS: dict[str, Any] = {"requests": [REQUEST], **NEXT}
