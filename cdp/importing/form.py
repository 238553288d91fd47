"""Maps as people write them in TOML: the one source of their validation and error messages."""

from __future__ import annotations

import codecs
import math
import zoneinfo
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from cdp.forms import Form

KINDS = ("text", "number", "integer", "boolean")
FORMATS = ("iso", "unix", "unix_ms")
_CALLS = ("track", "identify", "page", "screen", "group", "alias")
_NEEDS = {"track": "event", "group": "group_id", "alias": "previous_id"}
_NAME = validate.Length(1, 200)


def _constant(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValidationError("Must be a finite number.")
    if not isinstance(value, str | int | float):
        raise ValidationError("Must be a text, a number or true or false.")


def _encoding(value: str) -> None:
    try:
        has_lines = codecs.encode("\n", value) == b"\n"
    except (LookupError, TypeError):
        has_lines = False
    if not has_lines:
        raise ValidationError("Must be an encoding like utf-8 or latin-1; UTF-16 is not read.")


def _zone(value: str) -> None:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError(
            "No such time zone here; write it like Europe/Berlin, or install tzdata."
        ) from None


def _time_format(value: str) -> None:
    if value not in FORMATS and "%" not in value:
        known = ", ".join(FORMATS)
        raise ValidationError(f"Must be {known}, or a pattern like %d.%m.%Y %H:%M.")


class _Origin(Form):
    """Where a value comes from: a column, or the map itself."""

    column = fields.String(validate=_NAME)
    value = fields.Raw(validate=_constant, allow_none=False)
    values = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(validate=_constant),
        validate=validate.Length(1, 10_000),
        metadata={"description": "what stands in the column → what is sent instead"},
    )

    @validates_schema
    def _one_origin(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("column" in data) == ("value" in data):
            raise ValidationError("Needs either column or value.")
        beside = [name for name in data if name != "value"]
        if "value" in data and beside:
            raise ValidationError(f"Takes no {beside[0]} beside value.")


class ValueForm(_Origin):
    """A value of a call."""

    prefix = fields.String(validate=validate.Length(1, 100))

    class Meta:
        """`as` is a word of Python's own."""

        include: ClassVar = {
            "as": fields.String(
                validate=validate.OneOf(KINDS, error=f"Must be one of {', '.join(KINDS)}.")
            )
        }


class InstantForm(_Origin):
    """When it happened."""

    format = fields.String(validate=_time_format)
    zone = fields.String(validate=_zone)


class Origin(fields.Field[Any]):
    """A table, or just the name of a column."""

    def __init__(self, form: type[_Origin], **options: Any) -> None:
        super().__init__(**options)
        self._form = form

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        written = {"column": value} if isinstance(value, str) else value
        if not isinstance(written, dict):
            raise ValidationError("Must be the name of a column, or a table with column or value.")
        return self._form().load(written)


class Values(fields.Field[Any]):
    """Names, and where the value of each comes from."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("Must be a table of names and columns.")
        origin = Origin(ValueForm)
        found, problems = {}, {}
        for name, written in value.items():
            try:
                found[name] = origin.deserialize(written)
            except ValidationError as error:
                problems[name] = error.messages
        if problems:
            raise ValidationError(problems)
        return found


class When(fields.Field[Any]):
    """Columns, and the text, or one of several texts, that must stand there."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict) or not value:
            raise ValidationError('Must be a table like { event = "purchase" }.')
        wanted = {name: each if isinstance(each, list) else [each] for name, each in value.items()}
        if any(not isinstance(text, str) for texts in wanted.values() for text in texts):
            raise ValidationError("Must compare with texts, in quotes.")
        return wanted


class CallForm(Form):
    """A call that a row makes."""

    type = fields.String(
        required=True, validate=validate.OneOf(_CALLS, error=f"Must be one of {', '.join(_CALLS)}.")
    )
    when = When()
    once = fields.List(fields.String(validate=_NAME), validate=validate.Length(1, 10))
    event, name = Origin(ValueForm), Origin(ValueForm)
    user_id, anonymous_id = Origin(ValueForm), Origin(ValueForm)
    group_id, previous_id = Origin(ValueForm), Origin(ValueForm)
    timestamp = Origin(InstantForm)
    properties, traits, context = Values(), Values(), Values()

    @validates_schema
    def _complete(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        needed = _NEEDS.get(data["type"])
        if needed and needed not in data:
            raise ValidationError(f"A {data['type']} call needs {needed}.", needed)


class MapForm(Form):
    """A map: how rows become calls. What stands beside `calls` holds for all of them."""

    about = fields.String()
    format = fields.String(
        required=True, validate=validate.OneOf(["csv", "jsonl"], error="Must be csv or jsonl.")
    )
    delimiter = fields.String(
        load_default=",", validate=validate.Length(equal=1, error="Must be one character.")
    )
    encoding = fields.String(load_default="utf-8", validate=_encoding)
    columns = fields.List(fields.String(validate=_NAME), validate=validate.Length(1, 1000))
    each = fields.String(validate=_NAME)
    user_id, anonymous_id = Origin(ValueForm), Origin(ValueForm)
    timestamp = Origin(InstantForm)
    context = Values()
    calls = fields.List(fields.Nested(CallForm), required=True, validate=validate.Length(1, 50))

    @validates_schema
    def _fitting(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data["format"] == "jsonl" and "columns" in data:
            raise ValidationError("Only CSV without a header takes columns.", "columns")
        if data["format"] == "csv" and "each" in data:
            raise ValidationError("Only JSON lines have lists to go through.", "each")
        for number, call in enumerate(data["calls"]):
            if not {"user_id", "anonymous_id"} & (data.keys() | call.keys()):
                raise ValidationError({"calls": {number: {"user_id": ["Say whose call it is."]}}})
