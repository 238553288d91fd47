"""From a request's body to single messages: JSON whatever the content type says, batch or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from cdp.collect import splitter
from cdp.errors import Invalid
from cdp.events import mapping

MAX_EVENT = 32 * 1024  # bytes
MAX_BATCH = 2500  # events
_BOM = b"\xef\xbb\xbf"
# A run of digits that may not fit 64 bits; looked for like this in a tenth of a pattern's time.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = 19 * b"0"
_SHARED = ("sentAt", "context", "integrations")


class Wire(NamedTuple):
    """One message as it came: its own bytes, and its fields unless `problem` says why not.

    What cannot be told apart is one Wire too: `raw` is then a batch in itself.
    """

    raw: bytes
    fields: dict[str, Any]
    problem: str = ""
    field: str = "message"  # what the problem is with


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
    is_batch: bool = False

    @property
    def size(self) -> int:
        """What it counts as against a rate; nothing is free."""
        return len(self.messages) or 1


_members_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_raw_decoder = msgspec.json.Decoder(msgspec.Raw)
_decoder = msgspec.json.Decoder()
_FAULTS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def parse(body: bytes, *, batch: bool) -> Body:
    """Take a body apart; Invalid (400) only if it is not JSON at all.

    `batch` says that the route is for batches; elsewhere a body with a list of messages is one too.
    """
    body = body.removeprefix(_BOM).strip()
    parts = _members(body) if batch or b'"batch"' in body else {}
    listed = parts.get("batch", b"")
    if listed.startswith(b"["):
        return _batch(body, parts)
    if batch and listed:
        return _whole(body, parts, "must be a list of messages", "batch")
    message = read_message(body)
    if message.problem:
        return _whole(body, parts or _members(body), message.problem, message.field)
    return Body(Envelope({"writeKey": message.fields.get("writeKey")}), [message])


def _batch(body: bytes, parts: Mapping[str, bytes]) -> Body:
    size = sum(len(parts.get(name, b"")) for name in _SHARED)
    if size > MAX_EVENT:
        problem = f"the batch's own has {size} bytes; the limit is {MAX_EVENT}"
        return _whole(body, parts, problem, "context")
    envelope: dict[str, Any] = {"writeKey": _write_key(parts)}
    for name in _SHARED:
        try:
            envelope[name] = _read(parts[name]) if name in parts else None
        except ValueError as error:
            return _whole(body, parts, str(error), name)
    try:
        first, rest = _elements(parts["batch"])
    except splitter.NotJson as error:
        raise _not_json(error) from None
    except splitter.Tangled as error:
        return _whole(body, parts, str(error), "batch")
    messages = [read_message(raw) for raw in first]
    if rest:
        problem = f"has over {MAX_BATCH} messages; send smaller ones"
        messages.append(Wire(b'{"batch":[' + rest + b"]}", {}, problem, "batch"))
    return Body(Envelope(envelope), messages, is_batch=True)


def _whole(body: bytes, parts: Mapping[str, bytes], problem: str, field: str) -> Body:
    """A body that cannot be taken apart is one message, to be quarantined, if it is JSON."""
    try:
        _raw_decoder.decode(body)
    except _FAULTS:
        try:
            splitter.check(body)
        except splitter.NotJson as error:
            raise _not_json(error) from None
    return Body(Envelope({"writeKey": _write_key(parts)}), [Wire(body, {}, problem, field)])


def _not_json(error: splitter.NotJson) -> Invalid:
    return Invalid(f"the body {error}")


def _members(body: bytes) -> dict[str, bytes]:
    """An object's members, undecoded; empty if the body is no object."""
    try:
        return {name: bytes(raw) for name, raw in _members_decoder.decode(body).items()}
    except _FAULTS:
        try:
            return splitter.members(body)
        except ValueError:
            return {}


def _elements(array: bytes) -> tuple[list[bytes], bytes]:
    """As many messages as a batch may have, and the others in one piece."""
    try:
        every = _elements_decoder.decode(array)
    except _FAULTS:
        *first, rest = [*splitter.elements(array, MAX_BATCH), b""][: MAX_BATCH + 1]
        return first, rest
    return [bytes(raw) for raw in every[:MAX_BATCH]], b",".join(every[MAX_BATCH:])


def _write_key(parts: Mapping[str, bytes]) -> object:
    try:
        return _read(parts["writeKey"]) if "writeKey" in parts else None
    except ValueError:
        return None


def read_message(raw: bytes) -> Wire:
    """One message's fields, or what keeps them from being read."""
    if len(raw) > MAX_EVENT:
        return Wire(raw, {}, f"has {len(raw)} bytes; the limit is {MAX_EVENT}")
    try:
        decoded = _read(raw)
    except ValueError as error:
        return Wire(raw, {}, str(error))
    if not isinstance(decoded, dict):
        return Wire(raw, {}, "must be a JSON object")
    return Wire(raw, mapping(decoded))


def _read(raw: bytes) -> Any:
    """Decode one value; ValueError says what is wrong with it."""
    if raw.count(b"[") + raw.count(b"{") > splitter.MAX_DEPTH and splitter.is_deep(raw):
        raise ValueError(f"is nested deeper than {splitter.MAX_DEPTH}")
    if _LONG_NUMBER in raw.translate(_DIGITS):
        return splitter.read(raw)
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return splitter.read(raw)
