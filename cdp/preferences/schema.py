"""What is written by hand about the preference centre: links, opt-ins, the brand, choices."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate

from cdp.forms import Flag, Form, WholeNumber, Written
from cdp.preferences.languages import languages
from cdp.preferences.model import FREQUENCIES
from consent.jurisdictions import PLACE
from consent.schema import PURPOSE, STATE

EMAIL_PURPOSE = "marketing_email"
MAX_LOGO = 100_000  # characters of a data URL
_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/svg+xml")
_LOGO = Written(
    r"^(data:image/(png|jpeg|webp|svg\+xml);base64,"
    r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)?$",
    error=f"Must be a data URL in base64 of {', '.join(_IMAGES)}.",
)
_NO_URL = "Must be an http or https URL."
_LINKED = Written(r"^(https?://[^\s]+)?$", error=_NO_URL)
_COLOR = Written("^#[0-9A-Fa-f]{6}$", error="Must be a colour like #1f5f8b.")
_IDENTIFIER = Written(r"^[A-Za-z][A-Za-z0-9_.]*:.+$", error="Must be namespace:value.")
_EMAIL = Written(
    r"^email:[^@\s\x00-\x20\x7f-\xa0]+@[^@\s\x00-\x20\x7f-\xa0]+$",
    error="Must be an e-mail address: email:ada@example.com.",
)
_PLACE = Written(PLACE.pattern, error="Must be a country or a part of one, like DE or US-CA.")
_DELIVERY = Written("^[A-Za-z0-9_-]{1,64}$", error="Must be letters, digits, - and _, at most 64.")


def _web(value: str) -> None:
    try:
        found = urlsplit(value)
    except ValueError:
        found = urlsplit("")
    if value and not found.hostname:
        raise ValidationError(_NO_URL)


def _who(written: Written) -> fields.String:
    return fields.String(
        required=True,
        validate=[validate.Length(max=600), written],
        metadata={"description": "whose link it is", "example": "email:ada@example.com"},
    )


def _tongue() -> fields.String:
    return fields.String(
        validate=validate.OneOf(list(languages())),
        metadata={"description": "of the page; else the browser's", "example": "de"},
    )


class LinkSchema(Form):
    """A link to somebody's preferences."""

    identifier = _who(_IDENTIFIER)
    purpose = fields.String(
        load_default=EMAIL_PURPOSE,
        validate=PURPOSE,
        metadata={"description": "what the message is for: one click unsubscribes from it"},
    )
    delivery = fields.String(
        validate=_DELIVERY, metadata={"description": "the message it stands in, for the proof"}
    )
    days = WholeNumber(load_default=90, validate=validate.Range(1, 400))
    language = _tongue()


class OptInSchema(Form):
    """Somebody asked for messages, and has to confirm that it was them."""

    identifier = _who(_EMAIL)
    purpose = fields.String(load_default=EMAIL_PURPOSE, validate=PURPOSE)
    source = fields.String(
        required=True,
        validate=validate.Length(1, 200),
        metadata={
            "description": "where they asked",
            "example": "https://shop.example/newsletter",
        },
    )
    notice = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "version of the notice shown"}
    )
    jurisdiction = fields.String(
        validate=_PLACE, metadata={"description": "where the person is: DE, US-CA"}
    )
    days = WholeNumber(load_default=7, validate=validate.Range(1, 30))
    language = _tongue()


class BrandSchema(Form):
    """How the pages look, and whose they are."""

    name = fields.String(load_default="", validate=validate.Length(max=100))
    color = fields.String(
        load_default="#1f5f8b",
        validate=_COLOR,
        metadata={"description": "any: what is written on it is black or white, as it reads best"},
    )
    logo = fields.String(
        load_default="",
        validate=[validate.Length(max=MAX_LOGO), _LOGO],
        metadata={"description": f"a data URL in base64: {', '.join(_IMAGES)}"},
    )
    address = fields.String(
        load_default="",
        validate=validate.Length(max=500),
        metadata={"description": "postal address, which some laws want in every message"},
    )
    privacy_url = fields.String(load_default="", validate=[validate.Length(max=500), _LINKED, _web])


class ChoicesSchema(Form):
    """What somebody decides; what is left out stays as it is."""

    purposes = fields.Dict(
        keys=fields.String(validate=PURPOSE),
        values=fields.String(validate=STATE),
        load_default=dict,
        metadata={"example": {"marketing_email": "denied"}},
    )
    frequency = fields.String(validate=validate.OneOf(FREQUENCIES), metadata={"example": "weekly"})
    unsubscribe_all = Flag(
        load_default=False, metadata={"description": "no to everything but what is necessary"}
    )
    notice = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": "version of what your page showed; for the proof"},
    )
    language = fields.String(
        validate=validate.Length(1, 20), metadata={"description": "of your page", "example": "de"}
    )


class PrivacySchema(Form):
    """What somebody wants done with their data."""

    do = fields.String(
        required=True, validate=validate.OneOf(["export", "erase"]), metadata={"example": "export"}
    )


FORMS: tuple[Any, ...] = (LinkSchema, OptInSchema, BrandSchema, ChoicesSchema, PrivacySchema)
