"""What people write to have parked deliveries sent again."""

from __future__ import annotations

import uuid
from typing import Any

from marshmallow import fields, validate

from cdp.forms import Form

_ID = validate.Regexp(
    "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", error="Must be the id of a delivery."
)


class DeliveryReplaySchema(Form):
    """Which parked deliveries; all of them if nothing is said."""

    destination = fields.String(
        validate=validate.Length(1, 64), metadata={"description": "those of one destination"}
    )
    ids = fields.List(fields.String(validate=_ID), validate=validate.Length(1, 1000))
    reason = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": "as the ledger has it", "example": "HTTP 500"},
    )


def ids_of(loaded: dict[str, Any]) -> list[bytes] | None:
    """The deliveries that are named; None for any."""
    said = loaded.get("ids")
    return None if said is None else [uuid.UUID(each).bytes for each in said]
