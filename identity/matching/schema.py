"""What is compared as operators write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from marshmallow import ValidationError, fields, validate, validates_schema

from cdp.forms import Flag, Form, Number, Written
from identity.matching import defaults
from identity.matching.comparing import COMPARISONS
from identity.matching.fields import Field, Matching

SUGGEST = 0.8

_NAME = Written("^[a-z][a-z0-9_]{0,63}$", error="Must be a name, like last_name.")
_SOURCE = Written(
    r"^@?[A-Za-z_][A-Za-z0-9_ .-]{0,127}$",
    error="Must be a trait, like address.postalCode, or @ and a namespace, @places or @devices.",
)


class Spec(NamedTuple):
    """What is compared, and from which probability on a pair is suggested."""

    matching: Matching
    suggest: float


class FieldSchema(Form):
    """One thing that is compared."""

    name = fields.String(required=True, validate=_NAME)
    compare = fields.String(required=True, validate=validate.OneOf(sorted(COMPARISONS)))
    traits = fields.List(
        fields.String(validate=_SOURCE),
        required=True,
        validate=validate.Length(1, 20),
        metadata={
            "description": "where it is found: traits, identifiers like @email, @places, @devices"
        },
    )
    shared = Flag(
        load_default=False,
        metadata={"description": "whether those who live together have it in common"},
    )
    crossed = fields.String(
        load_default="",
        metadata={"description": "the field that it is sometimes mistaken for"},
    )


class MatchingSchema(Form):
    """What is compared of people, and whom with whom. What is left out keeps its default."""

    fields_ = fields.List(
        fields.Nested(FieldSchema),
        data_key="fields",
        attribute="fields",
        load_default=lambda: [_written(each) for each in defaults.FIELDS],
        validate=validate.Length(2, 30),
    )
    keys = fields.List(
        fields.String(validate=validate.Length(1, 300)),
        load_default=lambda: list(defaults.KEYS),
        validate=validate.Length(1, 40),
        metadata={
            "description": "people who have one in common are compared: fields joined by +, "
            "each whole or, as last_name.3, only so many characters of it",
            "example": ["last_name.3 + postcode"],
        },
    )
    suggest = Number(
        load_default=SUGGEST,
        validate=validate.Range(0.5, 1),
        metadata={"description": "pairs that are at least so probably one person are suggested"},
    )

    @validates_schema
    def check(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Names fit together."""
        known = tuple(_field(each) for each in data.get("fields", ()))
        names = [each.name for each in known]
        for place, each in enumerate(known):
            if each.name in names[:place]:
                raise ValidationError({"fields": {place: {"name": ["Must be given only once."]}}})
            if each.crossed and (each.crossed not in names or each.crossed == each.name):
                told = "Must be the name of another field."
                raise ValidationError({"fields": {place: {"crossed": [told]}}})
        for place, written in enumerate(data.get("keys", ())):
            try:
                defaults.key_of(written, known)
            except ValueError as error:
                raise ValidationError({"keys": {place: [str(error)]}}) from None


def read(stored: Mapping[str, Any]) -> Spec:
    """What a stored, or checked, form says."""
    known = tuple(_field(each) for each in stored["fields"])
    return Spec(defaults.matching(known, tuple(stored["keys"])), stored["suggest"])


def _field(each: Mapping[str, Any]) -> Field:
    return Field(
        each["name"],
        each["compare"],
        tuple(each["traits"]),
        each.get("shared", False),
        each.get("crossed", ""),
    )


def _written(each: Field) -> dict[str, Any]:
    return each._asdict() | {"traits": list(each.traits)}
