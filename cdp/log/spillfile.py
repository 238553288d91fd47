"""A file of sealed records: appended at its end, read from its beginning, locked by its owner.

record = length (4 bytes, big endian), sealed bytes
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

_LENGTH = 4


class SpillFile:
    """Belongs to one process while that lives; the kernel lets the lock go when it dies."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.end = os.fstat(descriptor).st_size
        self._read = 0
        self._descriptor = descriptor

    @classmethod
    def made(cls, path: Path) -> Self:
        """A new file; it has its name when it is locked, lest somebody take it for ownerless."""
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        draft.rename(path)
        home = os.open(path.parent, os.O_RDONLY)
        os.fsync(home)
        os.close(home)
        return cls(path, descriptor)

    @classmethod
    def found(cls, path: Path) -> Self | None:
        """A file whose owner has died; None where it lives, or has just finished with it."""
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if not os.fstat(descriptor).st_nlink:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return self.end - self._read

    def append(self, sealed: bytes) -> None:
        """On disk on return; OSError leaves the file as it was."""
        record = memoryview(len(sealed).to_bytes(_LENGTH, "big") + sealed)
        written = 0
        try:
            while written < len(record):
                written += os.pwrite(self._descriptor, record[written:], self.end + written)
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.end)
            raise
        self.end += written

    def peek(self) -> bytes | None:
        """The oldest record; None if it is cut off, as by a crash while it was written."""
        size = int.from_bytes(os.pread(self._descriptor, _LENGTH, self._read), "big")
        if size > self.left - _LENGTH:
            return None
        return os.pread(self._descriptor, size, self._read + _LENGTH)

    def passed(self, sealed: bytes) -> None:
        """The oldest record is stored."""
        self._read += _LENGTH + len(sealed)

    def set_aside(self) -> None:
        """Nothing more can be read: keep the file for a person to look at."""
        self.path = self.path.rename(self.path.with_suffix(".damaged"))
        self._read = self.end

    def remove(self) -> None:
        """Delete the file, unless it was set aside, and let the lock go."""
        if self.path.suffix != ".damaged":
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let the lock go: the file is anybody's now."""
        os.close(self._descriptor)
