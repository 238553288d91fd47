"""Consent as people and their software write it: decisions and purposes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from cdp import times
from cdp.forms import Form, WholeNumber, Written
from consent.jurisdictions import PLACE, REGIMES
from consent.purposes import Purpose
from consent.stamps import signal_of

KEY = Written(
    "^[a-z0-9][a-z0-9_-]{0,63}$",
    error="Must be lower-case letters, digits, - and _, at most 64.",
)
KEY_PATTERN = KEY.regex
NO_PURPOSE = "Must be a purpose's key, or its key, a dot and one of its channels."
PURPOSE = Written(r"^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$", error=NO_PURPOSE)
_NAMED = Written(
    r"^[^A-Za-z0-9]*[A-Za-z0-9][\s\S]*$", error="Must have a letter from a to z, or a digit."
)
STATE = validate.OneOf(["granted", "denied"], error="Must be granted or denied.")


_PLACE = Written(PLACE.pattern, error="Must be a country or a part of one, like DE or US-CA.")
_REGIME = validate.OneOf(sorted(REGIMES), error="Must be one of {choices}: see /consent/regimes.")
_LANGUAGE = Written("^[a-z]{2,3}$", error="Must be a language in two letters, like de.")
BASES = (
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interests",
    "opt_out",
    "implied_consent",
)


def _not_before_1970(value: datetime) -> None:
    if times.from_datetime(value) < 0:
        raise ValidationError("Must not be before 1970.")


class DecisionSchema(Form):
    """One decision of a person on one purpose."""

    purpose = fields.String(
        required=True, validate=PURPOSE, metadata={"example": "marketing_email"}
    )
    state = fields.String(required=True, validate=STATE)
    jurisdiction = fields.String(
        validate=_PLACE, metadata={"description": "where the person is: DE, US-CA"}
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


class BasisSchema(Form):
    """What a regime says of a purpose."""

    basis = fields.String(required=True, validate=validate.OneOf(BASES))
    default = fields.String(required=True, validate=STATE)


class WordingSchema(Form):
    """A notice in one language."""

    title = fields.String(required=True, validate=validate.Length(1, 200))
    text = fields.String(required=True, validate=validate.Length(1, 50_000))


class NoticeSchema(Form):
    """What people are shown when they are asked, by language."""

    texts = fields.Dict(
        keys=fields.String(validate=_LANGUAGE),
        values=fields.Nested(WordingSchema),
        required=True,
        validate=validate.Length(1, 100),
        metadata={"minProperties": 1, "maxProperties": 100},
    )


class PurposeSchema(Form):
    """Something data is used for."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    by_default = fields.String(
        allow_none=True,
        load_default=None,
        validate=STATE,
        metadata={"description": "without a decision, everywhere; null: as the law says"},
    )
    bases = fields.Dict(
        keys=fields.String(validate=_REGIME),
        values=fields.Nested(BasisSchema),
        load_default=dict,
        metadata={"description": "what differs from the table of laws, by regime"},
    )
    validity_days = WholeNumber(
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, 36_500),
        metadata={"description": "so long a yes counts; null: until it is taken back"},
    )
    retention_days = WholeNumber(
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, 36_500),
        metadata={
            "description": "so long what is stored for it is kept; only of analytics and necessary"
        },
    )
    channels = fields.List(
        fields.String(validate=KEY),
        load_default=list,
        validate=validate.Length(max=20),
        metadata={
            "description": "what its messages come by; of several, people decide on each",
            "example": ["email"],
        },
    )
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


def purpose_of(key: str, loaded: dict[str, Any]) -> Purpose:
    """The purpose that a checked form says."""
    bases = {regime: (each["basis"], each["default"]) for regime, each in loaded["bases"].items()}
    return Purpose(
        key,
        loaded["name"],
        loaded["by_default"],
        tuple(loaded["signals"]),
        bases,
        loaded["validity_days"],
        tuple(loaded["channels"]),
        loaded["retention_days"],
    )


def written(purpose: Purpose) -> dict[str, Any]:
    """A purpose as the form takes it."""
    bases = {regime: {"basis": b, "default": s} for regime, (b, s) in purpose.bases.items()}
    return {
        "name": purpose.name,
        "by_default": purpose.by_default,
        "signals": list(purpose.signals),
        "bases": bases,
        "validity_days": purpose.validity_days,
        "channels": list(purpose.channels),
        "retention_days": purpose.retention_days,
    }
