"""Consent as people and their software write it: decisions and purposes."""

from __future__ import annotations

import re

from marshmallow import fields, validate

from cdp.forms import Form

KEY_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
KEY = validate.Regexp(
    KEY_PATTERN.pattern + "$", error="Must be lower-case letters, digits, - and _, at most 64."
)
STATE = validate.OneOf(["granted", "denied"], error="Must be granted or denied.")


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
        format="iso", metadata={"description": "when they said it; now, if left out"}
    )


class PurposeSchema(Form):
    """Something data is used for."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    by_default = fields.String(required=True, validate=STATE)
    signals = fields.List(
        fields.String(validate=validate.Length(1, 64)),
        load_default=list,
        validate=validate.Length(max=50),
        metadata={"description": "category names in SDKs' consent stamps that mean this purpose"},
    )
