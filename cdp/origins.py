"""What a record goes back to: when its event happened and was received, and in which trace.

It travels beside what is done with an event, so that how long that took can be told at any step,
and says nothing of anybody.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from cdp.events import Event, Instant

TRACE = 24  # bytes: a trace's id, and in it the id of the span that the event came with
_TIMES = struct.Struct(">qq")
TIMES = _TIMES.size


class Origin(NamedTuple):
    """`trace` is empty unless the request that brought the event is traced."""

    received_at: Instant
    at: Instant
    trace: bytes = b""


def of(event: Event) -> Origin:
    """An event as an origin."""
    return Origin(event.received_at, event.at, event.trace)


def packed(origin: Origin | None) -> bytes:
    """16 bytes, or 40 with a trace; none where nothing is known."""
    return _TIMES.pack(origin.received_at, origin.at) + origin.trace if origin else b""


def unpacked(stored: bytes) -> Origin | None:
    """None where nothing was noted: a record of an older version, or one that no event caused."""
    if len(stored) < _TIMES.size:
        return None
    received_at, at = _TIMES.unpack_from(stored)
    return Origin(received_at, at, stored[_TIMES.size :])
