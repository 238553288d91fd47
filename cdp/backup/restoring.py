"""Puts a backup into an empty database: the rows; what is made from them comes with a replay.

Each file is one transaction with the note of how far we are, so a restore that was interrupted
goes on with the next file. Until its end no process starts on the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from cdp.backup import files, intake
from cdp.backup.intake import Connection
from cdp.backup.manifest import File, Manifest
from cdp.backup.moving import Places, moved
from cdp.backup.store import put
from cdp.errors import ConfigurationError, Damaged
from cdp.events import EVENTS
from cdp.migrate import CHANGES

Progress: TypeAlias = Callable[[int, int], None]  # rows of logs done, of how many

# What means nothing in another number of partitions; the consent chain is made anew there.
_BY_PARTITION = (
    "heads",
    "checkpoints",
    "outbox",
    "parked",
    "consent_chain",
    "consent_heads",
    "reduced",
)


class Note(msgspec.Struct):
    """How far a restore is, kept in the database."""

    backup: str
    done: int  # files
    indexes: list[str]  # of the log, to be made again at the end


@dataclass(slots=True)
class Restoring:
    """One run; `partitions` is how many the database has."""

    connection: Connection
    directory: Path
    manifest: Manifest
    partitions: int
    progress: Progress = lambda done, of: None

    def run(self) -> None:
        """Load what is not loaded yet."""
        if self.moves and any(self.manifest.lag.values()):
            raise ConfigurationError(
                "into another number of partitions only a backup can go that was taken when the "
                "agents had handled everything: stop collecting, wait until `cdp status` shows no "
                "lag, and back up again"
            )
        intake.must_be_alone(self.connection)
        note = self._begin()
        todo = self._files()
        total = self.manifest.events
        done = sum(file.rows for file in todo[: note.done] if file.table == EVENTS)
        for number, file in enumerate(todo[note.done :], start=note.done + 1):
            self.progress(done, total)
            file.check(self.directory)
            with self.connection.transaction():
                self._load(file)
                note.done = number
                intake.note(self.connection, msgspec.json.encode(note))
            done += file.rows if file.table == EVENTS else 0
        self.progress(done, total)
        self._end(note)

    @property
    def moves(self) -> bool:
        """Whether events come to lie in other partitions than they did."""
        return self.partitions != self.manifest.partitions

    def _begin(self) -> Note:
        """Where we are: the beginning, if nothing is there; never in somebody else's data."""
        noted = intake.noted(self.connection)
        if noted is not None:
            note = msgspec.json.decode(noted, type=Note)
            if note.backup != self.manifest.id:
                raise ConfigurationError(
                    "another backup is being restored into this database, or this one has changed "
                    "since: begin again with an empty database"
                )
            return note
        table = intake.first_filled(self.connection)
        if table:
            raise ConfigurationError(
                f"the database is not empty ({table} has rows): a restore needs one that is, or "
                "CDP_DATA_DIR set to a new directory; `cdp import-log` adds to what is there"
            )
        note = Note(self.manifest.id, 0, intake.log_indexes(self.connection))
        with self.connection.transaction():
            kept = _BY_PARTITION if self.moves else ()
            intake.make_room(self.connection, keep=kept)
            intake.note(self.connection, msgspec.json.encode(note))
        return note

    def _files(self) -> list[File]:
        """In the order in which they are loaded."""
        left_out = _BY_PARTITION if self.moves else ()
        return sorted(
            (file for file in self.manifest.files if file.table not in left_out),
            key=lambda file: (file.partition, file.table, file.start),
        )

    def _load(self, file: File) -> None:
        intake.clear(self.connection, file.table)
        with self._blocks(file) as blocks:
            rows = put(self.connection, file.table, file.columns, blocks)
        if rows != file.rows:
            raise Damaged(f"{file.path} has {rows:,} rows instead of {file.rows:,} ({file.told})")

    @contextlib.contextmanager
    def _blocks(self, file: File) -> Iterator[Iterator[bytes]]:
        blocks = files.read(self.directory / file.path)
        if not (self.moves and file.table == EVENTS):
            yield blocks
            return
        places = Places(intake.heads(self.connection, EVENTS))
        yield moved(blocks, file.columns, places)
        intake.move_heads(self.connection, EVENTS, places.heads)

    def _end(self, note: Note) -> None:
        with self.connection.transaction():
            if self.moves:
                intake.settle_heads(self.connection, CHANGES, self._changes())
            intake.finish(self.connection, note.indexes)
            note.indexes = []
            intake.note(self.connection, msgspec.json.encode(note))
        self.connection.execute("analyze")

    def _changes(self) -> int:
        return max((file.end for file in self.manifest.of(CHANGES)), default=0)
