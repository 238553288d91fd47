"""What people write by hand, checked: marshmallow schemas with errors that name path and fix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from marshmallow import Schema, ValidationError, fields, validate

from cdp.errors import Invalid


class Form(Schema):
    """A schema that says which fields it knows when it meets one it does not."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        known = ", ".join(sorted(each.data_key or name for name, each in self.fields.items()))
        self.error_messages = {
            **self.error_messages,
            "unknown": f"Unknown field; known are {known}.",
            "type": "Must be an object.",
        }


class WholeNumber(fields.Integer):
    """A JSON number without a fraction: 2 and 2.0, but neither "2" nor true."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return value


class Number(fields.Float):
    """A JSON number, but neither "2" nor true."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid")
        return float(value)


class Flag(fields.Boolean):
    """true or false, but neither 1 nor "yes"."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Written(validate.Validator):
    """The whole text matches a pattern, `^` to `$`, which OpenAPI shows; no line break follows."""

    def __init__(self, pattern: str, *, error: str) -> None:
        self.regex = re.compile(pattern)
        self._told = error

    def __call__(self, value: str) -> str:
        """The text; ValidationError if it is written otherwise."""
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self._told)
        return value


def read(body: bytes) -> Any:
    """The JSON of a request's body; Invalid says what is wrong with it."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Invalid(f"the body is not JSON: {error}") from None
    if b"\\u0000" in body and _has_nul(value):
        raise Invalid("the body has a NUL character in a text; take it out")
    return value


def _has_nul(value: Any) -> bool:
    """Without recursion: a body may nest deeper than there is stack for."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str) and "\x00" in each:
            return True
        if isinstance(each, dict):
            left += (*each.keys(), *each.values())
        elif isinstance(each, list):
            left += each
    return False


def load(form: Schema, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The checked values, defaults filled in, and the object as it was written."""
    written = read(body)
    try:
        loaded: dict[str, Any] = form.load(written)
    except ValidationError as error:
        problems = list(_flat(error.messages))
        field, message = problems[0]
        listed = [{"field": path, "message": told} for path, told in problems]
        raise Invalid(f"{field}: {message}", field=field, errors=listed) from None
    return loaded, written


def _flat(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """`{"where": {"all": {0: ["…"]}}}` as `where.all[0]`."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            if name == "_schema":
                yield from _flat(inner, path)
            elif isinstance(name, int):
                yield from _flat(inner, f"{path}[{name}]")
            else:
                yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(messages, list):
        for message in messages:
            yield from _flat(message, path)
    else:
        yield path or "body", str(messages)
