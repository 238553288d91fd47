"""Between a fact and its stored bytes: MessagePack, compressed, sealed for its subject."""

from __future__ import annotations

from cdp.events import Box, Event, decode, encode


def pack_event(event: Event, box: Box) -> bytes:
    """The payload column of the log."""
    return box.pack(encode(event), event.id)


def unpack_event(event_id: bytes, payload: bytes, box: Box) -> Event:
    """The fact again; Unreadable if the key does not fit."""
    return decode(box.unpack(payload, event_id))
