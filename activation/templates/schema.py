"""Templates as people write them."""

from __future__ import annotations

import re
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


# What Firebase and Apple have names of their own for, and what we say ourselves.
_TAKEN = re.compile("from|message_type|notification|aps|url|(google|gcm).*")


class _Source(fields.Field[Any]):
    """A text; of `data` in a push message, texts by name."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        sources = value.values() if isinstance(value, dict) else [value]
        if any(not isinstance(each, str) for each in sources):
            raise ValidationError("Must be a text; data of a push message has texts by name.")
        if any(len(each) > MAX_SOURCE for each in sources) or len(sources) > MAX_FIELDS:
            raise ValidationError(
                f"Is longer than {MAX_SOURCE:,} characters, or {MAX_FIELDS} texts."
            )
        return value


def flat(said: Mapping[str, Any]) -> dict[str, str]:
    """Sources by field: those of `data` as `data.NAME`."""
    found: dict[str, str] = {}
    for field, source in said.items():
        if isinstance(source, dict):
            found |= {f"{field}.{name}": each for name, each in source.items()}
        else:
            found[field] = source
    return found


def _misplaced(channel: str, field: str) -> str:
    """Why there can be no such field; empty if there can."""
    group, _, name = field.partition(".")
    if channel != "data" and group not in FIELDS[channel]:
        return f"Unknown field; of {channel} there are {', '.join(FIELDS[channel])}."
    if (channel, group) != ("push", "data"):
        return "Must be a text." if name else ""
    if not name:
        return "Must be an object of texts."
    if _FIELD.regex.fullmatch(name) is None or _TAKEN.fullmatch(name):
        return "Must be lower-case letters, digits and _, and no name that is taken."
    return ""


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
            values=_Source(
                metadata={
                    "oneOf": [
                        {"type": "string", "maxLength": MAX_SOURCE},
                        {"type": "object", "additionalProperties": {"type": "string"}},
                    ]
                }
            ),
            validate=validate.Length(1, MAX_FIELDS),
            metadata={"minProperties": 1, "maxProperties": MAX_FIELDS},
        ),
        required=True,
        validate=validate.Length(1, MAX_LANGUAGES),
        metadata={
            "minProperties": 1,
            "maxProperties": MAX_LANGUAGES,
            "description": "by language: an email's subject, html or mjml, text, preheader; a push "
            "message's title, body, url, icon, and data (texts by name); any fields of data",
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
                written = field in said or (field == "html" and "mjml" in said)
                if not written:
                    errors.setdefault(language, {})[field] = ["Must be there."]
            if "html" in said and "mjml" in said and channel == "email":
                errors.setdefault(language, {})["mjml"] = ["Must not be there beside html."]
            for field, source in flat(said).items():
                if found := _misplaced(channel, field) or problem(field, source):
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
        {language: flat(said) for language, said in loaded["texts"].items()},
        loaded.get("language") or next(iter(loaded["texts"])),
        loaded["values"],
    )
