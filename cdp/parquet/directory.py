"""The files of an export: how far the log is in them, and which of them were under way.

A file of events covers a fixed stretch of a log partition and is written once. What a run that was
interrupted had begun is in the manifest and goes first when the next one starts, so no event is
there twice. Profiles and memberships are as of a run: those of a day give way to later ones of it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from cdp.errors import ConfigurationError
from cdp.parquet import rows

MANIFEST = "_manifest.json"  # readers of folders pass over what begins with _


class Manifest(msgspec.Struct):
    """Of which instance and purpose it is, the next offset of each partition, what is under way."""

    instance: str
    purpose: str
    offsets: dict[str, int] = {}
    pending: list[str] = []


class Directory:
    """A folder that exports go to."""

    def __init__(self, path: Path, instance: str, purpose: str) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)
        self._manifest = self._read(instance, purpose)
        for each in self._manifest.pending:
            (path / each).unlink(missing_ok=True)

    def offset(self, partition: int) -> int:
        """From which one on a partition is not exported yet."""
        return self._manifest.offsets.get(str(partition), 0)

    def add_events(
        self, partition: int, upto: int, by_day: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> None:
        """The events of a stretch that ends before `upto`, by the day on which they happened."""
        name = f"p{partition:04}-{self.offset(partition):012}.parquet"
        files = {day: f"events/day={day}/{name}" for day in by_day}
        self._write(self._manifest, pending=list(files.values()))
        for day, file in files.items():
            self._store(self._path / file, rows.table(by_day[day], rows.EVENTS))
        offsets = self._manifest.offsets | {str(partition): upto}
        self._write(self._manifest, offsets=offsets, pending=[])

    def replace(self, what: str, day: str, tables: Sequence[pa.Table]) -> None:
        """Profiles or memberships as of a day, in place of those that are there of it."""
        target, anew = self._path / what / f"day={day}", self._path / what / f"_day={day}"
        shutil.rmtree(anew, ignore_errors=True)
        for number, each in enumerate(tables):
            self._store(anew / f"{number:06}.parquet", each)
        shutil.rmtree(target, ignore_errors=True)
        if tables:
            anew.rename(target)

    def _read(self, instance: str, purpose: str) -> Manifest:
        path = self._path / MANIFEST
        if not path.exists():
            return Manifest(instance, purpose, {}, [])
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
        if (found.instance, found.purpose) != (instance, purpose):
            raise ConfigurationError(
                f"{self._path} holds an export for {found.purpose!r} of"
                f" {'this' if found.instance == instance else 'another'} instance:"
                " choose another folder"
            )
        return found

    def _write(self, manifest: Manifest, **changes: Any) -> None:
        self._manifest = msgspec.structs.replace(manifest, **changes)
        beside = self._path / f"{MANIFEST}.new"
        beside.write_bytes(msgspec.json.encode(self._manifest))
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.rename(self._path / MANIFEST)

    @staticmethod
    def _store(path: Path, table: pa.Table) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"_{path.name}")
        pq.write_table(table, beside, compression="zstd")
        beside.rename(path)
