"""Takes a backup, or brings one up to date, beside whatever goes on.

First the full stretches of the logs, which nobody changes any more. Then everything else as of one
moment, and the logs' ends up to that moment. Only when all of it is on the disk does the manifest
name it, so a directory always holds the last backup that came to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cdp import __version__, times
from cdp.backup import files, manifest, store
from cdp.backup.manifest import FORMAT, File, Manifest
from cdp.backup.store import Connection
from cdp.backup.tables import LOGS, WHOLE, Log
from cdp.errors import ConfigurationError
from cdp.events import EVENTS

SEGMENT = 100_000  # rows of a log in a file

Progress: TypeAlias = Callable[[int, int], None]  # rows of logs done, of how many


@dataclass(slots=True)
class Taking:
    """One run into one directory; `keys` are the first keys, sealed."""

    connection: Connection
    directory: Path
    keys: str = ""
    progress: Progress = lambda done, of: None
    _files: dict[tuple[str, int, int], File] = field(default_factory=dict)  # of logs, by start
    _columns: dict[str, list[str]] = field(default_factory=dict)
    _new: int = 0

    def run(self) -> tuple[Manifest, int]:
        """The backup as it is now, and how many events are new in it."""
        with manifest.ours(self.directory):
            self._columns = {t: store.columns(self.connection, t) for t in self._tables()}
            born = store.meta(self.connection)
            self._take_up(manifest.find(self.directory), born)
            self._copy_logs(only_full=True)
            with store.one_moment(self.connection):
                heads = {log: store.heads(self.connection, log.topic) for log in LOGS}
                schema, lag = store.revision(self.connection), store.lag(self.connection)
                taken_at = times.iso(times.now())
                tables = [self._copy_table(table) for table in WHOLE]
            self._copy_logs(heads)
            made = Manifest(
                format=FORMAT,
                version=__version__,
                schema=schema,
                key_check=born["key_check"].hex(),
                partitions=int(born["partitions"]),
                taken_at=taken_at,
                lag=lag,
                keys=self.keys,
                files=[*sorted(self._files.values(), key=lambda file: file.path), *tables],
            )
            manifest.save(self.directory, made)
        return made, self._new

    def _tables(self) -> list[str]:
        return [*(log.table for log in LOGS), *WHOLE]

    def _take_up(self, former: Manifest | None, born: dict[str, bytes]) -> None:
        """What is there already is kept, as far as it is this log's."""
        if former is not None:
            checks, way_out = [born["key_check"]], "back up into a new directory"
            manifest.must_be_of(former, self.directory, checks, way_out)
        known = [f for f in (former.files if former else []) if f.partition >= 0]
        logs = {log.table: log for log in LOGS}
        for file in [*known, *manifest.noted(self.directory)]:
            if self._columns[file.table] != file.columns:
                continue  # a migration has changed what a row is: all of this log is copied anew
            log = logs[file.table]
            if store.row_at(self.connection, log, file.partition, file.end - 1) != file.last:
                raise ConfigurationError(
                    f"{self.directory} holds a backup of another log, or of a later state of this "
                    f"one ({file.told}): back up into a new directory"
                )
            place = file.table, file.partition, file.start
            if place not in self._files or file.end > self._files[place].end:
                self._files[place] = file

    def _copy_logs(
        self, heads: dict[Log, dict[int, int]] | None = None, *, only_full: bool = False
    ) -> None:
        heads = heads or {log: store.heads(self.connection, log.topic) for log in LOGS}
        total = sum(end for ends in heads.values() for end in ends.values())
        done = 0
        for log, ends in heads.items():
            for partition, end in ends.items():
                for start, stop in _stretches(end, only_full=only_full):
                    self._copy_stretch(log, partition, start, stop)
                    done += stop - start
                    self.progress(done, total)

    def _copy_stretch(self, log: Log, partition: int, start: int, end: int) -> None:
        place = log.table, partition, start
        known = self._files.get(place)
        if known is not None and known.end == end:
            return
        names = self._columns[log.table]
        rows = store.stretch(self.connection, log, names, partition, (start, end))
        stem = self.directory / log.table / f"{partition:04}" / f"{start:012}-{end:012}"
        written = files.write(stem, rows)
        self._files[place] = File(
            path=str(written.path.relative_to(self.directory)),
            table=log.table,
            columns=names,
            rows=end - start,
            size=written.size,
            sha256=written.sha256,
            partition=partition,
            start=start,
            end=end,
            last=store.row_at(self.connection, log, partition, end - 1),
        )
        if log.topic == EVENTS:
            self._new += end - start - (known.rows if known else 0)
        manifest.note(self.directory, self._files[place])

    def _copy_table(self, table: str) -> File:
        names, count = self._columns[table], 0

        def counted(blocks: Iterator[bytes]) -> Iterator[bytes]:
            nonlocal count
            for block in blocks:
                count += 1
                yield block

        rows = counted(store.whole(self.connection, table, names))
        written = files.write(self.directory / "tables" / table, rows)
        return File(
            path=str(written.path.relative_to(self.directory)),
            table=table,
            columns=names,
            rows=count - 1,  # the server sends a block for each row, and one for the end
            size=written.size,
            sha256=written.sha256,
        )


def _stretches(end: int, *, only_full: bool) -> Iterator[tuple[int, int]]:
    """Always cut at the same offsets, so that a later run finds what an earlier one wrote."""
    for start in range(0, end, SEGMENT):
        stop = min(start + SEGMENT, end)
        if stop - start == SEGMENT or not only_full:
            yield start, stop
