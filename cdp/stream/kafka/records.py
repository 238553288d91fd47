"""How a record of the log looks on Kafka: its key and value, and where it stands in the log.

A record keeps its partition's number, but not its offset: what is published again after a crash
comes to lie on Kafka a second time. The header `position` says `PARTITION/OFFSET` of the log.
"""

from __future__ import annotations

from typing import Any, Final

from cdp.log.store import Record

POSITION: Final = "position"
EVENT: Final = "id"  # of the event; internal topics have none


def headers(partition: int, record: Record) -> list[tuple[str, bytes]]:
    """What goes with a record; the position comes first."""
    position = (POSITION, b"%d/%d" % (partition, record.offset))
    return [position, (EVENT, record.id)] if record.id else [position]


def offset_of(found: Any) -> int | None:
    """The log's offset of an aiokafka ConsumerRecord; None if it is not one of ours."""
    if not found.headers or found.headers[0][0] != POSITION:
        return None
    partition, _, offset = found.headers[0][1].partition(b"/")
    ours = partition == b"%d" % found.partition and offset.isdigit()
    return int(offset) if ours else None


def record_of(found: Any, offset: int) -> Record:
    """The record as the log has it."""
    event = found.headers[1][1] if len(found.headers) > 1 else b""
    return Record(offset, found.key, event, found.value)
