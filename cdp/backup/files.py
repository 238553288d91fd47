"""A backup's files: zstd frames of a megabyte each, so that damage can be told where it is.

What is in them is PostgreSQL's own COPY format: `zstd -dc FILE | psql -c 'copy TABLE (COLUMNS) from
stdin binary'` reads it where there is no platform. Events are sealed and hardly become smaller; the
frames are there for their checksums.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import zstandard

from cdp.errors import Damaged

SUFFIX = ".copy.zst"
FRAME = 1 << 20  # bytes before compression
_READ = 1 << 18
_LEVEL = 1


class Written(NamedTuple):
    """What a file came to."""

    path: Path
    size: int
    sha256: str


def write(stem: Path, blocks: Iterable[bytes]) -> Written:
    """All of it or nothing: under its name, which ends with its digest, a file is on the disk."""
    stem.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = stem.with_name(stem.name + SUFFIX + ".part")
    whole, size = hashlib.sha256(), 0
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for block in _frames(blocks):
            frame = compressor.compress(block)
            whole.update(frame)
            size += file.write(frame)
        file.flush()
        os.fsync(file.fileno())
    path = stem.with_name(f"{stem.name}-{whole.hexdigest()[:12]}{SUFFIX}")
    draft.replace(path)
    return Written(path, size, whole.hexdigest())


def _frames(blocks: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for block in blocks:
        gathered.append(bytes(block))
        size += len(block)
        if size >= FRAME:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def read(path: Path) -> Iterator[bytes]:
    """What was written, in pieces."""
    with path.open("rb") as file:
        plain = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        while piece := plain.read(FRAME):
            yield piece


def check(written: Written) -> None:
    """Damaged, with the file and the place, unless it is what was written."""
    path = written.path
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from error
    if size != written.size:
        raise Damaged(f"{path} has {size:,} bytes instead of {written.size:,}")
    if found != written.sha256:
        raise Damaged(f"{path} is damaged{_where(path)}")


def _where(path: Path) -> str:
    """In which frame, as far as one does not open any more."""
    start = at = 0
    frame = zstandard.ZstdDecompressor().decompressobj()
    with path.open("rb") as file:
        while piece := file.read(_READ):
            at += len(piece)
            while piece:
                try:
                    frame.decompress(piece)
                except zstandard.ZstdError:
                    return f" between bytes {start:,} and {at:,}"
                piece = frame.unused_data if frame.eof else b""
                if frame.eof:
                    start = at - len(piece)
                    frame = zstandard.ZstdDecompressor().decompressobj()
    return ""
