"""Reads files line by line, gzip or not, and knows at every line what came before it."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import msgspec

from cdp.errors import ConfigurationError
from cdp.importing.mapping import Map, used

MAX_LINE = 4 << 20  # bytes
_GZIP = b"\x1f\x8b"


class Mark(NamedTuple):
    """A place in a file: the lines up to there, and a digest of all of them.

    The digest makes message ids: the same lines give the same ids whatever the file is called, a
    file that grew keeps those of its old lines, and two files that differ share none after that.
    """

    line: int = 0
    digest: bytes = b""


START = Mark()


class Record(NamedTuple):
    """A row, or why there is none; where it begins and where the file stands after it."""

    line: int
    mark: Mark
    row: Mapping[str, Any] | None
    problem: str = ""


class Lines:
    """The lines of an open file as text. Use it in a `with` block."""

    def __init__(self, path: Path, encoding: str = "utf-8") -> None:
        self.size = path.stat().st_size  # bytes, as stored
        self.mark = START
        self.problem = ""  # with the lines since it was last emptied
        self._path = path
        self._file = path.open("rb")
        self._stream: IO[bytes] = self._file
        self._decode = codecs.getdecoder(encoding)
        if self._file.peek(2)[:2] == _GZIP:
            self._stream = gzip.open(self._file)  # type: ignore[assignment]  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """How many of the stored bytes are read."""
        return self._file.tell()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        raw = self._read(MAX_LINE)
        if not raw:
            raise StopIteration
        line, digest = self.mark
        whole = hashlib.blake2b(digest + raw, digest_size=16)
        if len(raw) == MAX_LINE and not raw.endswith(b"\n"):
            self.problem = f"is longer than {MAX_LINE} bytes"
            while raw and not raw.endswith(b"\n"):
                raw = self._read(MAX_LINE)
                whole.update(raw)
            raw = b"\n"
        self.mark = Mark(line + 1, whole.digest())
        try:
            return self._decode(raw.removeprefix(codecs.BOM_UTF8) if not line else raw)[0]
        except UnicodeDecodeError as error:
            self.problem = f"is not {error.encoding}"
            return "\n"

    def _read(self, limit: int) -> bytes:
        try:
            return self._stream.readline(limit)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            line = self.mark.line
            raise ConfigurationError(
                f"{self._path}: the gzip stream breaks off after line {line}"
            ) from None


def records(lines: Lines, map_: Map) -> Iterator[Record]:
    """The rows of a file in the form that the map says it has."""
    return _csv(lines, map_) if map_.format == "csv" else _json(lines)


def _csv(lines: Lines, map_: Map) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=map_.delimiter, strict=True)
    header = list(map_.columns) or next(reader, [])
    _must_have(header, map_)
    while True:
        first, lines.problem = lines.mark.line + 1, ""
        cells: list[str] = []
        problem = ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"is not CSV: {error}"
        if lines.problem or problem:
            yield Record(first, lines.mark, None, lines.problem or problem)
        elif len(cells) == len(header):
            yield Record(first, lines.mark, dict(zip(header, cells, strict=True)))
        elif cells:
            told = f"has {len(cells)} fields; the header has {len(header)}"
            yield Record(first, lines.mark, None, told)


def _must_have(header: list[str], map_: Map) -> None:
    for column, where in used(map_).items():
        if column not in header:
            raise ConfigurationError(
                f"map {map_.name}, {where}: the file has no column {column};"
                f" it has {', '.join(header) or 'none'}"
            )


def _json(lines: Lines) -> Iterator[Record]:
    decode = msgspec.json.Decoder().decode
    for text in lines:
        number, problem = lines.mark.line, lines.problem
        lines.problem = ""
        row: Any = None
        if not problem:
            if not text.strip():
                continue
            try:
                row = decode(text)
            except (msgspec.MsgspecError, RecursionError, ValueError) as error:
                problem = f"is not JSON: {error}"
            else:
                if not isinstance(row, dict):
                    row, problem = None, "is not a JSON object"
        yield Record(number, lines.mark, row, problem)
