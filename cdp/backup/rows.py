"""Rows in PostgreSQL's binary COPY format, whose columns are never null.

A header of 19 bytes and what its last four count; for each row the count of its fields, and each
one's length and bytes; and -1 at the end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

_HEADER = 19
_COUNT = struct.Struct("!h")
_LENGTH = struct.Struct("!i")
END = _COUNT.pack(-1)


def packed(fields: list[bytes]) -> bytes:
    """A row."""
    return _COUNT.pack(len(fields)) + b"".join(_LENGTH.pack(len(f)) + f for f in fields)


class Rows:
    """Reads rows from pieces that may end anywhere."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._data = b""
        self._at = 0
        head = self._take(_HEADER)
        self.header = head + self._take(int.from_bytes(head[-4:], "big"))

    def __iter__(self) -> Iterator[list[bytes]]:
        while (count := _COUNT.unpack(self._take(2))[0]) >= 0:
            yield [self._take(_LENGTH.unpack(self._take(4))[0]) for _ in range(count)]

    def _take(self, size: int) -> bytes:
        end = self._at + size
        while end > len(self._data):
            self._data = self._data[self._at :] + next(self._blocks)
            self._at, end = 0, size
        taken = self._data[self._at : end]
        self._at = end
        return taken
