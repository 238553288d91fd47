"""What is in a backup's directory: a list of files with their digests, written last, at once."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cdp.backup.files import SUFFIX, Written, check
from cdp.errors import ConfigurationError, Damaged

FORMAT = 1
_NAME, _JOURNAL = "manifest.json", "under-way.jsonl"


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file: rows of one table; of a log those from `start` up to before `end`."""

    path: str
    table: str
    columns: list[str]
    rows: int
    size: int
    sha256: str
    partition: int = -1
    start: int = 0
    end: int = 0
    last: str = ""  # which row is the last one

    @property
    def told(self) -> str:
        """What is in it, for people."""
        if self.partition < 0:
            return f"all of {self.table}"
        return f"{self.table}, partition {self.partition}, offsets {self.start} to {self.end - 1}"

    def check(self, directory: Path) -> None:
        """Damaged, naming file, place and what is in it, unless it is what was written."""
        try:
            check(Written(directory / self.path, self.size, self.sha256))
        except Damaged as damaged:
            raise Damaged(f"{damaged} ({self.told})") from None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """An instance at one moment."""

    format: int
    version: str  # of the platform
    schema: str  # the migration that its tables are of
    key_check: str  # tells which master key opens it, and nothing else of that
    partitions: int
    taken_at: str
    lag: dict[str, int]  # records that no agent had handled yet
    keys: str = ""  # the first write key and API key, sealed
    files: list[File]

    def of(self, table: str, partition: int | None = None) -> list[File]:
        """The files of one table, in order."""
        found = [f for f in self.files if f.table == table and partition in (None, f.partition)]
        return sorted(found, key=lambda file: (file.partition, file.start))

    @property
    def events(self) -> int:
        """How many are in it."""
        return sum(file.rows for file in self.of("events"))

    @property
    def id(self) -> str:
        """Tells this backup from all others."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    def verify(self, directory: Path) -> Iterator[File]:
        """Each file once it was found whole; Damaged at the first that is not, or is missing."""
        ends: dict[tuple[str, int], int] = {}
        for table in ("events", "changes"):
            for file in self.of(table):
                place = table, file.partition
                if file.start != ends.get(place, 0):
                    raise Damaged(f"{directory}: {file.told}: what comes before is missing")
                ends[place] = file.end
        for file in self.files:
            file.check(directory)
            yield file


def load(directory: Path) -> Manifest:
    """The backup in a directory; ConfigurationError if there is none, or of another format."""
    found = find(directory)
    if found is None:
        raise ConfigurationError(f"{directory} holds no complete backup: {_NAME} is not there")
    return found


def find(directory: Path) -> Manifest | None:
    """The last complete backup in a directory, if there is one."""
    path = directory / _NAME
    if not path.exists():
        return None
    try:
        raw = msgspec.json.decode(path.read_bytes())
        if raw["format"] != FORMAT:
            raise ConfigurationError(
                f"{path} is of format {raw['format']}, and this version of cdp reads {FORMAT}: "
                "use the version that wrote it, or a later one"
            )
        return msgspec.convert(raw, Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise Damaged(f"{path} is no manifest of a backup: {error}") from None


def save(directory: Path, manifest: Manifest) -> None:
    """From now on this is the backup in this directory; what only older ones needed goes."""
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    draft = directory / (_NAME + ".part")
    with draft.open("wb") as file:
        file.write(encoded + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory / _NAME)
    _sync(directory)
    (directory / _JOURNAL).unlink(missing_ok=True)
    needed = {each.path for each in manifest.files}
    for path in directory.rglob(f"*{SUFFIX}*"):
        if str(path.relative_to(directory)) not in needed:
            path.unlink()


def note(directory: Path, file: File) -> None:
    """A file is whole; should the rest not follow, the next run need not write it again."""
    with (directory / _JOURNAL).open("ab") as journal:
        journal.write(b"\n" + msgspec.json.encode(file))  # the line before may be torn
        journal.flush()
        os.fsync(journal.fileno())


def noted(directory: Path) -> list[File]:
    """What a run that did not come to its end has written, as far as it is there."""
    path = directory / _JOURNAL
    found: list[File] = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            file = msgspec.json.decode(line, type=File)
        except msgspec.DecodeError:  # a run ended while it wrote this line
            continue
        if _is_there(directory, file):
            found.append(file)
    return found


def _is_there(directory: Path, file: File) -> bool:
    path = directory / file.path
    return path.exists() and path.stat().st_size == file.size


@contextmanager
def ours(directory: Path) -> Iterator[None]:
    """Nobody else writes a backup into this directory meanwhile."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"another backup is writing into {directory}") from None
        yield


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def must_be_of(
    manifest: Manifest, directory: Path, checks: Collection[bytes], way_out: str
) -> None:
    """ConfigurationError, with a way out, if none of these master keys opens it."""
    if bytes.fromhex(manifest.key_check) not in checks:
        raise ConfigurationError(
            f"the backup in {directory} was taken under another master key: {way_out}"
        )
