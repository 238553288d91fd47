"""Between a fact and its stored bytes: MessagePack, compressed, sealed for its subject."""

from __future__ import annotations

from cdp.events import Box, Event, decode, encode
from cdp.log.compression import compress, decompress


def plain_event(event: Event) -> bytes:
    """What is sealed to be the payload column of the log."""
    return compress(encode(event))


def plain_opened(plain: bytes) -> Event:
    """The event again, before it is sealed."""
    return decode(decompress(plain))


def unpack_event(event_id: bytes, payload: bytes, box: Box) -> Event:
    """The fact again; Unreadable if the key does not fit."""
    return decode(box.unpack(payload, event_id))
