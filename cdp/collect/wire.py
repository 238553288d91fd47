"""From a request's body to single messages: JSON whatever the content type says, batch or not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from cdp.collect import splitter
from cdp.errors import Invalid
from cdp.events import mapping

MAX_EVENT = 32 * 1024  # bytes
MAX_BATCH = 2500  # events
_BOM = b"\xef\xbb\xbf"
_LONG_NUMBER = re.compile(rb"\d{19}")  # may not fit 64 bits


class Wire(NamedTuple):
    """One message as it came: its own bytes, and its fields unless `problem` says why not."""

    raw: bytes
    fields: dict[str, Any]
    problem: str = ""


class Envelope(NamedTuple):
    """What a batch says for all of its messages."""

    fields: Mapping[str, Any]

    @property
    def write_key(self) -> object:
        """The key in the body."""
        return self.fields.get("writeKey")


class Body(NamedTuple):
    """A request's messages and their envelope."""

    envelope: Envelope
    messages: list[Wire]


class _Batch(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    write_key: Any = None
    sent_at: Any = None
    context: Any = None
    integrations: Any = None


_ENVELOPE = {
    "writeKey": "write_key",
    "sentAt": "sent_at",
    "context": "context",
    "integrations": "integrations",
}
_batch_decoder = msgspec.json.Decoder(_Batch)
_decoder = msgspec.json.Decoder()


def parse(body: bytes, *, batch: bool) -> Body:
    """Take a body apart; Invalid (400) only if it is not JSON at all."""
    body = body.removeprefix(_BOM).strip()
    if batch:
        try:
            decoded = _batch_decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return _parse_slowly(body)
        envelope = {name: getattr(decoded, field) for name, field in _ENVELOPE.items()}
        raws = [bytes(raw) for raw in decoded.batch]
        return Body(Envelope(envelope), [read_message(raw) for raw in raws])
    message = read_message(body)
    if message.problem:
        _must_be_whole(body)
    if isinstance(message.fields.get("batch"), list):
        return _parse_slowly(body)
    return Body(Envelope(message.fields), [message])


def _parse_slowly(body: bytes) -> Body:
    """What is not a clean batch: one message after all, or a batch with something odd inside."""
    try:
        parts = splitter.members(body)
        raws = splitter.elements(parts["batch"]) if "batch" in parts else None
    except splitter.Truncated as error:
        if body[:1] == b"{" and _is_json(body):
            return Body(Envelope({}), [Wire(body, {}, "batch: must be a list of messages")])
        raise Invalid(f"the body is not a JSON object: {error}") from None
    if raws is None:
        message = read_message(body)
        return Body(Envelope(message.fields), [message])
    envelope: dict[str, Any] = {}
    for name in _ENVELOPE:
        if name in parts:
            envelope[name] = read_message(b'{"value":' + parts[name] + b"}").fields.get("value")
    return Body(Envelope(envelope), [read_message(raw) for raw in raws])


def _must_be_whole(body: bytes) -> None:
    """A single message that cannot be read is quarantined, unless it is no JSON object at all."""
    try:
        splitter.members(body)
    except splitter.Truncated as error:
        raise Invalid(f"the body is not a JSON object: {error}") from None


def _is_json(body: bytes) -> bool:
    try:
        splitter.read(body)
    except ValueError:
        return False
    return True


def read_message(raw: bytes) -> Wire:
    """One message's fields, or what keeps them from being read."""
    if len(raw) > MAX_EVENT:
        return Wire(raw, {}, f"the message has {len(raw)} bytes; the limit is {MAX_EVENT}")
    try:
        if raw.count(b"[") + raw.count(b"{") > splitter.MAX_DEPTH or _LONG_NUMBER.search(raw):
            decoded = splitter.read(raw)
        else:
            decoded = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        try:
            decoded = splitter.read(raw)
        except ValueError as error:
            return Wire(raw, {}, f"the message {error}")
    except ValueError as error:
        return Wire(raw, {}, f"the message {error}")
    if not isinstance(decoded, dict):
        return Wire(raw, {}, "the message must be a JSON object")
    return Wire(raw, mapping(decoded))
