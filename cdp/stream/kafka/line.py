"""One partition as a worker reads it from Kafka: what is at hand, and what has to come next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cdp.log.store import Record
from cdp.stream.kafka.records import offset_of, record_of


@dataclass(slots=True)
class Line:
    """Offsets are the log's; what is at hand is consecutive. `aimed`: Kafka is read from `next`."""

    asked: int  # the position that the next fetch will be from
    next: int = -1
    aimed: bool = False
    ready: deque[Record] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.next = self.asked

    def hand_over(self, limit: int) -> list[Record]:
        """Up to `limit` records, as the agent gets them."""
        handed = [self.ready.popleft() for _ in range(min(limit, len(self.ready)))]
        if handed:
            self.asked = handed[-1].offset + 1
        return handed

    def put(self, found: Iterable[Any]) -> int | None:
        """Add ConsumerRecords. What was there before is dropped, what is not ours is passed over;
        where something is missing, nothing more is added: returns the offset that came instead.
        """
        for each in found:
            offset = offset_of(each)
            if offset is None or offset < self.next:
                continue
            if offset > self.next:
                return offset
            self.ready.append(record_of(each, offset))
            self.next = offset + 1
        return None

    def fill(self, records: Iterable[Record]) -> None:
        """Add records of the log. Where that begins later, every agent has had what was before."""
        for record in records:
            self.ready.append(record)
            self.next = record.offset + 1
