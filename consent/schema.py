"""Consent as people and their software write it: decisions and purposes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from cdp import times
from cdp.forms import Form, Written
from consent.model import signal_of

KEY = Written(
    "^[a-z0-9][a-z0-9_-]{0,63}$",
    error="Must be lower-case letters, digits, - and _, at most 64.",
)
KEY_PATTERN = KEY.regex
_NAMED = Written(
    r"^[^A-Za-z0-9]*[A-Za-z0-9][\s\S]*$", error="Must have a letter from a to z, or a digit."
)
STATE = validate.OneOf(["granted", "denied"], error="Must be granted or denied.")


def _not_before_1970(value: datetime) -> None:
    if times.from_datetime(value) < 0:
        raise ValidationError("Must not be before 1970.")


class DecisionSchema(Form):
    """One decision of a person on one purpose."""

    purpose = fields.String(required=True, validate=KEY, metadata={"example": "marketing_email"})
    state = fields.String(required=True, validate=STATE)
    jurisdiction = fields.String(
        validate=validate.Length(1, 64), metadata={"description": "where the person is: DE, US-CA"}
    )
    notice = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "version of the notice shown"}
    )
    source = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "where they said it"}
    )
    proof = fields.String(
        validate=validate.Length(1, 4000), metadata={"description": "what shows that they did"}
    )
    at = fields.AwareDateTime(
        format="iso",
        validate=_not_before_1970,
        metadata={"description": "when they said it, since 1970; now, if left out"},
    )


class PurposeSchema(Form):
    """Something data is used for."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    by_default = fields.String(required=True, validate=STATE)
    signals = fields.List(
        fields.String(validate=[validate.Length(1, 64), _NAMED]),
        load_default=list,
        validate=validate.Length(max=50),
        metadata={"description": "category names in SDKs' consent stamps that mean this purpose"},
    )

    @post_load
    def _comparable(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Signals in the form that stamps are compared in."""
        return data | {"signals": list(dict.fromkeys(map(signal_of, data["signals"])))}
