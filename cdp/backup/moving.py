"""Events on their way into another number of partitions: the same rows, each in another place."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cdp.backup.rows import END, Rows, packed
from cdp.log.store import partition_of

_PARTITION, _OFFSET = struct.Struct("!h"), struct.Struct("!q")
_FLUSH = 1 << 18  # bytes handed on at once


@dataclass(slots=True)
class Places:
    """The next free offset of each partition."""

    heads: dict[int, int]

    def take(self, subject: bytes) -> tuple[int, int]:
        """Where a subject's next event goes."""
        partition = partition_of(subject, len(self.heads))
        offset = self.heads[partition]
        self.heads[partition] = offset + 1
        return partition, offset


def moved(blocks: Iterable[bytes], columns: list[str], places: Places) -> Iterator[bytes]:
    """The same rows, in order, each where its subject lives."""
    partition, offset = columns.index("partition"), columns.index("offset")
    subject = columns.index("subject")
    rows = Rows(blocks)
    made, size = [rows.header], 0
    for fields in rows:
        where = places.take(fields[subject])
        fields[partition], fields[offset] = _PARTITION.pack(where[0]), _OFFSET.pack(where[1])
        row = packed(fields)
        made.append(row)
        size += len(row)
        if size > _FLUSH:
            yield b"".join(made)
            made, size = [], 0
    yield b"".join((*made, END))
