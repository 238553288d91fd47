"""Destinations as people write them."""

from __future__ import annotations

import base64
import binascii

from marshmallow import ValidationError, fields, validate

from cdp.forms import Form


def _secret(value: str) -> None:
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not value.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValidationError("Must be whsec_ and the base64 of 24 to 64 bytes; or leave it out.")


class DestinationSchema(Form):
    """Where entries and exits of segments are sent."""

    kind = fields.String(
        required=True, validate=validate.OneOf(["webhook"], error="Must be webhook.")
    )
    url = fields.Url(
        required=True,
        schemes={"http", "https"},
        require_tld=False,
        error_messages={"invalid": "Must be an http or https URL."},
        metadata={"example": "https://hooks.example.com/cdp"},
    )
    segments = fields.List(
        fields.String(validate=validate.Length(1, 64)),
        load_default=list,
        metadata={"description": "keys of segments; leave it out for all of them"},
    )
    purpose = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "consent needed for a send; the segment's purpose if left out"},
    )
    secret = fields.String(
        load_only=True,
        validate=_secret,
        metadata={"description": "signing key as whsec_…; one is made if left out"},
    )
    max_attempts = fields.Integer(strict=True, load_default=8, validate=validate.Range(1, 20))
    timeout = fields.Float(
        load_default=10.0,
        validate=validate.Range(0.1, 30.0),
        metadata={"description": "seconds"},
    )
    enabled = fields.Boolean(load_default=True, truthy={True}, falsy={False})
