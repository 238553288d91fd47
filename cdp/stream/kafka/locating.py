"""Where on Kafka positions of the log are.

Along a partition on Kafka the log's offsets rise by one, or fall back where something was
published again. So whoever starts at or before a position meets it, and bisecting holds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from faust.types import TP

from cdp.errors import KafkaUnavailable
from cdp.log.store import Record
from cdp.stream.kafka.reader import Reader
from cdp.stream.kafka.records import offset_of, record_of

_PATIENCE_SECONDS = 10.0
_TAKE_SECONDS = 1.0
_BEYOND = 1 << 62  # every offset
_GUESSES = 4  # by distance; then halves


@dataclass(slots=True)
class Search:
    """For where to read from on Kafka so that nothing at or after the log's `position` is missed.

    It ends at `low`: the first offset that is kept, if the position is older than that; the end,
    if it is yet to come. `newest` is what comes last on Kafka of ours.
    """

    position: int
    low: int
    high: int
    newest: Record | None = None
    look: int | None = None  # Kafka's offset to look at next; None when the search is over
    _looks: int = 0

    def __post_init__(self) -> None:
        self.look = self.high - 1 if self.low < self.high else None

    @property
    def ended(self) -> bool:
        """Whether Kafka has nothing from the position on."""
        return self.newest is None or self.newest.offset < self.position

    def saw(self, found: Any) -> None:
        """What the first record at or after `look` is."""
        offset = offset_of(found)
        self._looks += 1
        if self.newest is None and offset is not None:
            self.newest = record_of(found, offset)
        if offset == self.position:
            self.low = self.high = found.offset
        elif offset is None or offset > self.position:
            self.high = max(self.low, min(found.offset, self.high - 1))
        elif self.ended:
            self.low = self.high
        else:
            self.low = found.offset + 1
        self.look = None if self.low >= self.high else self._next(found.offset, offset)

    def _next(self, at: int, offset: int | None) -> int:
        if self.newest is None:
            return self.high - 1  # the newest of ours comes before what is not
        if offset is None or self._looks > _GUESSES:
            return (self.low + self.high) // 2
        return min(max(at + self.position - offset, self.low), self.high - 1)


async def locate(reader: Reader, positions: Mapping[TP, int]) -> dict[TP, Search]:
    """Search for these positions, in all partitions at the same time."""
    bounds = await reader.bounds(positions)
    searches = {tp: Search(positions[tp], *bounds[tp]) for tp in positions}
    while looks := {tp: each.look for tp, each in searches.items() if each.look is not None}:
        for tp, found in (await _first_records(reader, looks)).items():
            searches[tp].saw(found)
    return searches


async def newest(reader: Reader, tps: Collection[TP]) -> dict[TP, Record]:
    """The newest record of each partition that has any of ours."""
    found = await locate(reader, dict.fromkeys(tps, _BEYOND))
    return {tp: each.newest for tp, each in found.items() if each.newest is not None}


async def _first_records(reader: Reader, offsets: Mapping[TP, int]) -> dict[TP, Any]:
    """Of each partition the first record at or after that Kafka offset."""
    await reader.seek(offsets)
    found: dict[TP, Any] = {}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while missing := offsets.keys() - found.keys():
        if time.monotonic() > deadline:
            raise KafkaUnavailable(f"Kafka gives no records of {sorted(missing)}")
        for tp, records in (await reader.take(missing, _TAKE_SECONDS, len(missing))).items():
            found[tp] = records[0]
    return found
