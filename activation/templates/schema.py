"""Templates as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from activation.templates.filters import MAX_SOURCE
from activation.templates.model import FIELDS, NEEDED, Template, problem
from cdp.forms import Form, Written

MAX_LANGUAGES, MAX_FIELDS = 50, 50
_LANGUAGE = Written(
    "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", error="Must be a language, like de or de-AT."
)
_FIELD = Written("^[a-z][a-z0-9_]{0,63}$", error="Must be lower-case letters, digits and _.")


class TemplateSchema(Form):
    """What a message says, in each language."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    channel = fields.String(
        required=True,
        validate=validate.OneOf(list(FIELDS), error="Must be email, push or data."),
    )
    texts = fields.Dict(
        keys=fields.String(validate=_LANGUAGE),
        values=fields.Dict(
            keys=fields.String(validate=_FIELD),
            values=fields.String(validate=validate.Length(0, MAX_SOURCE)),
            validate=validate.Length(1, MAX_FIELDS),
            metadata={"minProperties": 1, "maxProperties": MAX_FIELDS},
        ),
        required=True,
        validate=validate.Length(1, MAX_LANGUAGES),
        metadata={
            "minProperties": 1,
            "maxProperties": MAX_LANGUAGES,
            "description": "by language: an email's subject, html, text, preheader; a push "
            "message's title, body, url, icon; any fields of data",
            "example": {"en": {"subject": "Hello", "html": "<p>Hello</p>"}},
        },
    )
    language = fields.String(
        validate=_LANGUAGE,
        metadata={"description": "of who reads none of these; the first if left out"},
    )
    values = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"description": "the template's own, as values.NAME"},
    )

    @validates_schema
    def _whole(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        texts, channel = data.get("texts", {}), data.get("channel", "data")
        if "language" in data and data["language"] not in texts:
            raise ValidationError("Must be one of the languages of texts.", "language")
        errors: dict[str, Any] = {}
        for language, said in texts.items():
            for field in NEEDED[channel]:
                if field not in said:
                    errors.setdefault(language, {})[field] = ["Must be there."]
            for field, source in said.items():
                found = problem(field, source)
                if channel != "data" and field not in FIELDS[channel]:
                    found = f"Unknown field; of {channel} there are {', '.join(FIELDS[channel])}."
                if found:
                    errors.setdefault(language, {})[field] = [found]
        if errors:
            raise ValidationError({"texts": errors})


def template_of(key: str, version: int, loaded: Mapping[str, Any]) -> Template:
    """What the form has, as a value."""
    return Template(
        key,
        version,
        loaded["name"],
        loaded["channel"],
        loaded["texts"],
        loaded.get("language") or next(iter(loaded["texts"])),
        loaded["values"],
    )
