"""Lists as PostgreSQL arrays, in a third of the driver's time: our statements are made of them.

The element's type alone decides the array's, so a statement is prepared once; the driver would take
a smaller integer for smaller numbers, and prepare again.
Format: PostgreSQL's `array_recv` (src/backend/utils/adt/arrayfuncs.c), one dimension.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

from psycopg.abc import Buffer
from psycopg.adapt import Dumper, PyFormat, RecursiveDumper
from psycopg.pq import Format
from psycopg.types.array import ListBinaryDumper

_HEADER = struct.Struct("!iiIii").pack  # dimensions, may have NULLs, element type, length, base
_INT = struct.Struct("!iq").pack
_NULL = b"\xff\xff\xff\xff"
_TRUE, _FALSE = b"\x00\x00\x00\x01\x01", b"\x00\x00\x00\x01\x00"


def _bytes(items: list[Any]) -> Iterable[bytes]:
    if None not in items and len(lengths := set(map(len, items))) == 1:  # hashes, as a rule
        length = lengths.pop().to_bytes(4)
        return length, length.join(items)
    parts: list[bytes] = []
    for each in items:
        if each is None:
            parts.append(_NULL)
        else:
            parts.append(len(each).to_bytes(4))
            parts.append(each)
    return parts


def _texts(items: list[str | None]) -> Iterable[bytes]:
    written = {each: _NULL if each is None else _text(each.encode()) for each in set(items)}
    return map(written.__getitem__, items)  # the same few, as a rule


def _text(encoded: bytes) -> bytes:
    return len(encoded).to_bytes(4) + encoded


def _ints(items: list[int | None]) -> Iterable[bytes]:
    return [_NULL if each is None else _INT(8, each) for each in items]


def _bools(items: list[bool | None]) -> Iterable[bytes]:
    return [_NULL if each is None else _TRUE if each else _FALSE for each in items]


# By element: how they are written, their type's oid and that of its array.
_KINDS: dict[type, tuple[Callable[[list[Any]], Iterable[bytes]], int, int]] = {
    bytes: (_bytes, 17, 1001),
    str: (_texts, 25, 1009),
    int: (_ints, 20, 1016),
    bool: (_bools, 16, 1000),
}


class ListDumper(RecursiveDumper):
    """Lists of one of our kinds, with or without None; any other list is left to the driver."""

    format = Format.BINARY
    _kind: type | None = None

    def get_key(self, obj: list[Any], format: PyFormat) -> Any:  # noqa: A002 - the driver's name
        """What one dumper is good for."""
        kind = _kind(obj)
        return (list, kind) if kind else self._other().get_key(obj, format)

    def upgrade(self, obj: list[Any], format: PyFormat) -> Dumper:  # noqa: A002
        """The dumper for lists like this one."""
        kind = _kind(obj)
        if kind is None:
            return self._other().upgrade(obj, format)
        dumper = ListDumper(self.cls, self._tx)
        dumper._kind = kind
        dumper.oid = _KINDS[kind][2]
        return dumper

    def dump(self, obj: list[Any]) -> Buffer | None:
        """The binary form."""
        assert self._kind is not None
        written, oid, _ = _KINDS[self._kind]
        return _HEADER(1, 1, oid, len(obj), 1) + b"".join(written(obj))

    def _other(self) -> ListBinaryDumper:
        return ListBinaryDumper(self.cls, self._tx)


def _kind(obj: list[Any]) -> type | None:
    for each in obj:
        if each is not None:
            return type(each) if type(each) in _KINDS else None
    return None
