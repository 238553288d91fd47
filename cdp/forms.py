"""What people write by hand, checked: marshmallow schemas with errors that name path and fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from marshmallow import Schema, ValidationError

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
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(name) or _has_nul(each) for name, each in value.items())
    return isinstance(value, list) and any(_has_nul(each) for each in value)


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
