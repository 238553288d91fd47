"""Content as its authors write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from marshmallow import ValidationError, fields, validate, validates_schema

from activation.content.model import Content, Variant
from activation.content.rendering import KNOWN, PERSON, Unrenderable, names, rendered
from cdp import times
from cdp.forms import Flag, Form, Number, WholeNumber, Written

KEY = Written("^[a-z0-9][a-z0-9_-]{0,63}$", error="Must be a-z, 0-9, - and _, at most 64.")
LOCALE = Written(
    "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$", error="Must be a language tag, like en or de-AT."
)
MAX_TEXT = 50_000
MAX_METADATA = 4_000  # bytes of JSON
_EMPTY = "Must have at least one language."


class Metadata(fields.Dict):
    """A JSON object that pages get as it is."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        found: dict[str, Any] = value
        if len(msgspec.json.encode(found)) > MAX_METADATA:
            raise ValidationError(f"Must be at most {MAX_METADATA} bytes of JSON.")
        return found


class VariantSchema(Form):
    """One way to show it; of two, the one with twice the weight is seen twice as often."""

    key = fields.String(required=True, validate=KEY)
    weight = Number(load_default=1.0, validate=validate.Range(0.001, 1000.0))
    html = fields.Dict(
        keys=fields.String(validate=LOCALE),
        values=fields.String(validate=validate.Length(max=MAX_TEXT)),
        validate=validate.Length(1, 50, error=_EMPTY),
        metadata={"description": "by language tag: a template of HTML", "example": {"en": "Hi"}},
    )
    data = fields.Dict(
        keys=fields.String(validate=LOCALE),
        values=fields.Dict(),
        validate=validate.Length(1, 50, error=_EMPTY),
        metadata={"description": "by language tag: an object, for pages that render themselves"},
    )


def _several(field: fields.Field[Any], most: int, about: str) -> fields.List[Any]:
    return fields.List(
        field,
        load_default=list,
        validate=validate.Length(max=most),
        metadata={"description": about},
    )


class ContentSchema(Form):
    """What is shown in slots of web pages, to whom and when."""

    name = fields.String(required=True, validate=validate.Length(1, 200))
    kind = fields.String(load_default="html", validate=validate.OneOf(["html", "json"]))
    slots = fields.List(fields.String(validate=KEY), required=True, validate=validate.Length(1, 20))
    variants = fields.List(
        fields.Nested(VariantSchema), required=True, validate=validate.Length(1, 20)
    )
    locale = fields.String(
        load_default="en",
        validate=LOCALE,
        metadata={"description": "the language of those whose own it has not"},
    )
    priority = WholeNumber(load_default=0, validate=validate.Range(0, 1000))
    weight = Number(load_default=1.0, validate=validate.Range(0.001, 1000.0))
    since = fields.String(
        data_key="from", load_default=None, allow_none=True, metadata={"format": "date-time"}
    )
    until = fields.String(
        data_key="to", load_default=None, allow_none=True, metadata={"format": "date-time"}
    )
    segments = _several(
        fields.String(validate=KEY), 50, "it is for who is in one of them; empty: for all"
    )
    except_segments = _several(fields.String(validate=KEY), 50, "not for who is in one of them")
    purpose = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "what people must have agreed to: see Consent"},
    )
    because = fields.String(
        load_default="",
        validate=validate.Length(max=300),
        metadata={"description": "what they are told who ask why they see it"},
    )
    tags = _several(fields.String(validate=validate.Length(1, 64)), 50, "words to find it by")
    metadata = Metadata(
        load_default=dict, metadata={"description": "whatever a page needs beside it"}
    )
    enabled = Flag(load_default=True)

    @validates_schema(skip_on_field_errors=True)
    def _goes_together(self, data: dict[str, Any], **_: Any) -> None:
        of = "html" if data["kind"] == "html" else "data"
        problems: dict[str, Any] = {}
        for name, data_key in (("since", "from"), ("until", "to")):
            try:
                data[name] and times.parse(data[name])
            except ValueError as error:
                problems[data_key] = [f"{error}"]
        if (data["segments"] or data["except_segments"]) and not data["purpose"]:
            problems["purpose"] = ["Must name one, like personalization: segments are of people."]
        found = {
            number: problem
            for number, each in enumerate(data["variants"])
            if (problem := _problem(each, of, data))
        }
        if found:
            problems["variants"] = found
        elif len({each["key"] for each in data["variants"]}) < len(data["variants"]):
            problems["variants"] = ["Each key Must be given only once."]
        if problems:
            raise ValidationError(problems)


def _problem(variant: dict[str, Any], of: str, content: Mapping[str, Any]) -> Any:
    if of not in variant or {"html", "data"} <= variant.keys():
        return {of: [f"Must have {of}, and nothing else: the content is {content['kind']}."]}
    if content["locale"] not in variant[of]:
        return {of: [f"Must have {content['locale']}, the content's `locale`, among others."]}
    if of == "data":
        return None
    problems = {
        tag: [problem]
        for tag, source in variant[of].items()
        if (problem := _misspelled(source, variant["key"], content))
    }
    return {of: problems} if problems else None


def _misspelled(source: str, key: str, content: Mapping[str, Any]) -> str:
    about = {name: content[name] for name in ("name", "tags", "metadata")}
    try:
        taken = names(source)
        if not taken - KNOWN:
            rendered(source, {"content": {"key": key, **about}})  # as a stranger sees it
    except Unrenderable as error:
        return f"Must be a template: {error}"
    if taken - KNOWN:
        return f"There is no variable {min(taken - KNOWN)}; there are {', '.join(sorted(KNOWN))}."
    if taken & PERSON and not content["purpose"]:
        return f"Takes {min(taken & PERSON)}: name the content's `purpose`, like personalization."
    return ""


def content_of(key: str, loaded: Mapping[str, Any]) -> Content:
    """The content that a checked form says."""
    of = "html" if loaded["kind"] == "html" else "data"
    return Content(
        key=key,
        name=loaded["name"],
        kind=loaded["kind"],
        slots=tuple(loaded["slots"]),
        variants=tuple(
            Variant(each["key"], each["weight"], each[of]) for each in loaded["variants"]
        ),
        locale=loaded["locale"],
        priority=loaded["priority"],
        weight=loaded["weight"],
        since=times.parse(loaded["since"]) if loaded["since"] else None,
        until=times.parse(loaded["until"]) if loaded["until"] else None,
        segments=frozenset(loaded["segments"]),
        outside=frozenset(loaded["except_segments"]),
        purpose=loaded["purpose"],
        because=loaded["because"],
        tags=tuple(loaded["tags"]),
        metadata=loaded["metadata"],
        enabled=loaded["enabled"],
    )


def shown(loaded: Mapping[str, Any]) -> dict[str, Any]:
    """A checked form as it is written."""
    names_ = {"since": "from", "until": "to"}
    return {names_.get(name, name): value for name, value in loaded.items()}
