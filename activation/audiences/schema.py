"""What destinations of audiences have in common: which traits go along, and by what name."""

from __future__ import annotations

from marshmallow import fields, validate

from activation.audiences.model import FIXED
from cdp.forms import Written

_FIXED = validate.NoneOf([*FIXED, "changed_at"], error="Must be a name that is not taken.")
_NAME = Written(
    "^[a-z_][a-z0-9_]{0,62}$",
    error="Must be a name in small letters, digits and _, of 63 at most.",
)


def traits_field() -> fields.Dict:
    """Names there, and the traits here that they stand for; no other leaves."""
    return fields.Dict(
        keys=fields.String(validate=[_NAME, _FIXED]),
        values=fields.String(validate=validate.Length(1, 200)),
        load_default=dict,
        validate=validate.Length(max=50),
        metadata={
            "description": "names there, and the traits that go there; no other trait leaves",
            "example": {"email": "email"},
        },
    )
