"""Where on Kafka a position of the log is.

Along a partition on Kafka the log's offsets rise by one, or fall back where something was
published again. So whoever starts at or before a position meets it, and bisecting holds.
"""

from __future__ import annotations

import time
from typing import Any

from faust.types import TP

from cdp.errors import StoreUnavailable
from cdp.stream.kafka.reader import Reader
from cdp.stream.kafka.records import offset_of

_PROBE_SECONDS = 10.0
_SHORT_PROBE = 1.0
_GUESSES = 4  # by distance; then halves


async def last_offset(reader: Reader, tp: TP, bounds: tuple[int, int]) -> int:
    """The log's offset of the newest record on Kafka; -1 if there is none of ours."""
    first, end = bounds
    while end > first:
        offset = offset_of(await _probe(reader, tp, end - 1))
        if offset is not None:
            return offset
        end -= 1  # somebody else's
    return -1


async def locate(reader: Reader, tp: TP, position: int, bounds: tuple[int, int]) -> int:
    """Kafka's offset to read from so that nothing at or after the log's `position` is missed.

    The first that is kept, if the position is older; the end, if it is yet to come.
    """
    low, high = bounds
    at, guesses = high - 1, 0
    while low < high:
        found = await _probe(reader, tp, min(max(at, low), high - 1))
        offset = offset_of(found)
        if offset == position:
            return int(found.offset)
        if offset is None or offset > position:
            high = min(found.offset, high - 1)
        else:
            low = found.offset + 1
        guesses += 1
        by_distance = offset is not None and guesses <= _GUESSES
        at = found.offset + position - offset if by_distance else (low + high) // 2
    return low


async def _probe(reader: Reader, tp: TP, offset: int) -> Any:
    """The first record at or after Kafka's `offset`."""
    await reader.seek(tp, offset)
    deadline = time.monotonic() + _PROBE_SECONDS
    while time.monotonic() < deadline:
        found = await reader.take([tp], _SHORT_PROBE, 1)
        if tp in found:
            return found[tp][0]
    raise StoreUnavailable(f"Kafka gives no record of {tp.topic}/{tp.partition} at {offset}")
