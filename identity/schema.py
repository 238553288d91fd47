"""Identity as operators write it: their word on two identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from cdp.forms import Form, Written

_REF = Written(r"^[A-Za-z][A-Za-z0-9_.]*:[\s\S]+$", error="Write it as namespace:value.")


class RulingSchema(Form):
    """Two identifiers, and why they are or are not the same person."""

    a = fields.String(
        required=True,
        validate=[validate.Length(max=600), _REF],
        metadata={"example": "user_id:ada"},
    )
    b = fields.String(
        required=True,
        validate=[validate.Length(max=600), _REF],
        metadata={"example": "email:info@example.com"},
    )
    reason = fields.String(
        required=True,
        validate=validate.Length(1, 1000),
        metadata={"example": "the call centre typed its own address"},
    )
    by = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "who says so", "example": "eve"}
    )

    @validates_schema
    def check_two(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """They must be two."""
        if data.get("a") == data.get("b"):
            raise ValidationError("Must be another identifier than a.", "b")
