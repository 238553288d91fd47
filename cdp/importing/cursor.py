"""Where an import stands, in a small file, so that going on does not begin at the beginning."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from cdp.importing.mapping import Map
from cdp.importing.reading import START, Mark
from cdp.instance import write_private


class _Kept(msgspec.Struct):
    file: str
    map: str
    line: int
    digest: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to the mark in it is stored. It may be lost: then all is sent again."""

    path: Path
    file: str
    map: str

    @classmethod
    def of(cls, home: Path, file: Path, map_: Map, target: str) -> Self:
        """One per file, map and target, which is where to and for which source.

        A map that was changed begins anew: what it makes now of lines it broke before is missing.
        """
        named = "\0".join((str(file.resolve()), map_.name, map_.version, target))
        key = hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return cls(home / "imports" / f"{key}.json", file.name, map_.name)

    def load(self) -> Mark:
        """Where the last run came to; the beginning if there was none."""
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=_Kept)
            return Mark(kept.line, bytes.fromhex(kept.digest))
        except (OSError, ValueError):
            return START

    def save(self, mark: Mark) -> None:
        """Note how far everything is stored."""
        kept = _Kept(self.file, self.map, mark.line, mark.digest.hex())
        write_private(self.path, msgspec.json.encode(kept).decode())

    def forget(self) -> None:
        """Begin at the beginning."""
        self.path.unlink(missing_ok=True)
