"""A ZIP that lies nowhere in clear: sealed part by part as it is written, opened as it is read."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from cdp.db import Database
from cdp.log.vault import Seal
from cdp.privacy import store
from cdp.privacy.model import Request

_PART = 1 << 20  # bytes of the archive in one row


class Archive:
    """Writes one, file after file; `keep` between pieces, so that little of it is in memory."""

    def __init__(self, database: Database, box: Seal, request: Request) -> None:
        self._database, self._box, self._request = database, box, request
        self._written = _Written()
        self._zip = zipfile.ZipFile(self._written, "w", zipfile.ZIP_DEFLATED)
        self._parts = 0

    @contextmanager
    def file(self, name: str) -> Iterator[io.TextIOBase]:
        """A file in it, to be written as text."""
        with (
            self._zip.open(name, "w", force_zip64=True) as raw,
            io.TextIOWrapper(raw, encoding="utf-8", newline="") as text,
        ):
            yield text

    def text(self, name: str, content: str) -> None:
        """A file of which all is known."""
        with self.file(name) as file:
            file.write(content)

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """The same rows as JSON and as CSV."""
        kept = list(rows)
        self.text(f"{name}.json", msgspec.json.format(msgspec.json.encode(kept)).decode())
        with self.file(f"{name}.csv") as file:
            write = row_writer(file, columns)
            for row in kept:
                write(row)

    async def keep(self, *, all_of_it: bool = False) -> None:
        """Store what was written, sealed, in whole parts."""
        while len(self._written.waiting) >= _PART or (all_of_it and self._written.waiting):
            part = bytes(self._written.waiting[:_PART])
            del self._written.waiting[:_PART]
            sealed = self._box.seal(part, _sealed_as(self._request, self._parts))
            async with self._database.transaction() as connection:
                await store.put_part(connection, self._request.id, self._parts, sealed)
            self._parts += 1

    async def close(self) -> int:
        """Write its end; returns how many parts it has."""
        self._zip.close()
        await self.keep(all_of_it=True)
        return self._parts


async def read(database: Database, box: Seal, request: Request) -> AsyncIterator[bytes]:
    """An archive in clear, part by part; nothing if it is not there any more."""
    async with database.transaction() as connection:
        number = 0
        async for sealed in store.parts(connection, request.id):
            yield box.open(sealed, _sealed_as(request, number))
            number += 1


def row_writer(file: io.TextIOBase, columns: Sequence[str]) -> Any:
    """What writes a row of CSV, under a first one with the columns' names (RFC 4180)."""
    writer = csv.writer(file)
    writer.writerow(columns)

    def write(row: Mapping[str, Any]) -> None:
        writer.writerow([_cell(row.get(column)) for column in columns])

    return write


def _cell(value: Any) -> str:
    """Texts as they are, everything else as JSON; nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _sealed_as(request: Request, part: int) -> bytes:
    return b"archive" + request.id.bytes + part.to_bytes(4)


class _Written(io.RawIOBase):
    """What was written and is not kept yet; nothing can be sought in it."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        return len(data)
