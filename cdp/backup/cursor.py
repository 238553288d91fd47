"""How far another instance's log has been taken in, kept in the data directory."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cdp.instance import write_private


class Cursor(msgspec.Struct):
    """Files that are stored, and who was left out; for one other instance.

    Who may not be collected is fixed when a backup is begun: decisions that come with its events
    must not make a second run leave out what the first one would have taken.
    """

    backup: str = ""
    left_out: list[str] = []
    done: list[str] = []

    def save(self, path: Path) -> None:
        """Keep it for the next run."""
        write_private(path, msgspec.json.encode(self).decode())


def load(path: Path) -> Cursor:
    """Where the last run came to; the beginning if there was none. Nothing depends on it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Cursor)
    except (OSError, msgspec.DecodeError):
        return Cursor()
