"""What destinations of audiences have in common: what goes along, by what name, and from when."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from activation.audiences.model import FIXED
from activation.schema import DestinationForm
from cdp.forms import Flag, Written

_FIXED = validate.NoneOf([*FIXED, "changed_at"], error="Must be a name that is not taken.")
_NAME = Written(
    "^[a-z_][a-z0-9_]{0,62}$",
    error="Must be a name in small letters, digits and _, of 63 at most.",
)
_ANY_NAME = Written(
    "^[A-Za-z_][A-Za-z0-9_.-]{0,62}$",
    error="Must be a name of letters, digits, _, . and -, of 63 at most.",
)


def _names(about: str, example: str, *rules: Any, **more: Any) -> fields.Dict:
    """Names there, and what here they stand for."""
    return fields.Dict(
        keys=fields.String(validate=list(rules)),
        values=fields.String(validate=validate.Length(1, 200)),
        validate=validate.Length(max=50),
        metadata={"description": about, "example": {example: example}},
        **more,
    )


def traits_field() -> fields.Dict:
    """Names there, and the traits here that they stand for; no other leaves."""
    about = "names there, and the traits that go there; no other trait leaves"
    return _names(about, "email", _NAME, _FIXED, load_default=dict)


class AudienceForm(DestinationForm):
    """A destination that is told who is in segments."""

    first_load = Flag(
        load_default=True,
        metadata={
            "description": "tell who is in already when it begins to hear of a segment; false: "
            "only who enters or leaves from then on"
        },
    )
    identifiers = _names(
        "names there, and the namespaces of identifiers that go there; all if left out",
        "email",
        _ANY_NAME,
    )
    computed = _names(
        "names there, and the computed traits that go there", "lifetime_value", _NAME, _FIXED
    )

    @validates_schema
    def _names_differ(self, data: dict[str, Any], **_: Any) -> None:
        for name in sorted(data.get("computed", {}).keys() & data.get("traits", {}).keys()):
            told = "Must be a name that is not taken: traits has it."
            raise ValidationError({"computed": {name: [told]}})
