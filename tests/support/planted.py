"""Marks to plant as personal data, and a search for them in whatever a platform writes and says."""

from __future__ import annotations

import base64
import gzip
import random
import string
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import zstandard

_LETTERS = string.ascii_lowercase + string.digits
_TOKEN, _PIECE = 16, 8  # bytes


class Planted:
    """The marks of one test. Nobody has seen them before: where one turns up, it came from here.

    All but telephone numbers and addresses begin with the same random `token`, so that a search for
    any number of them is one for a few pieces of it.
    """

    def __init__(self) -> None:
        self.token = "".join(random.choices(_LETTERS, k=_TOKEN))
        self._others: list[str] = []

    def word(self, name: str) -> str:
        """A mark that tells where it was planted."""
        return self.token + name

    def email(self, name: str) -> str:
        """One that is an e-mail address."""
        return f"{self.token}{name}@example.com"

    def phone(self) -> str:
        """One that is a telephone number, in digits."""
        return self._other("49" + "".join(random.choices("123456789", k=10)))

    def address(self) -> str:
        """One that is an IPv6 address, as short as it can be written."""
        groups = (f"{random.randrange(0x1000, 0x10000):x}" for _ in range(6))
        return self._other("2001:db8:" + ":".join(groups))

    def needles(self) -> set[bytes]:
        """What to look for: pieces so small that a compressor of PostgreSQL leaves one of them."""
        wanted = {each for mark in (self.token, *self._others) for each in _pieces(mark.encode())}
        encoded = {each for mark in (self.token, *self._others) for each in _encoded(mark.encode())}
        return wanted | encoded

    def _other(self, mark: str) -> str:
        self._others.append(mark)
        return mark


def found_in(places: Iterable[Path], planted: Planted) -> list[str]:
    """Where marks stand in clear in these files and directories: `PATH at BYTE: WHAT`.

    Looks into what is compressed with zstd, gzip or as a ZIP too.
    """
    found: list[str] = []
    for path in _files(places):
        try:
            raw = path.read_bytes()
        except FileNotFoundError:  # servers write and delete meanwhile
            continue
        for content in _contents(path, raw):
            found += found_as(str(path), content, planted)
    return found


def found_as(name: str, content: bytes | str, planted: Planted) -> list[str]:
    """Likewise in something that is not a file, and is called `name`."""
    raw = content.encode() if isinstance(content, str) else content
    places = sorted(at for each in planted.needles() if (at := raw.find(each)) >= 0)
    return [f"{name} at {at}: {raw[max(at - 60, 0) : at + 60]!r}" for at in places[:1]]


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        assert place.exists(), f"{place} is not there: nothing would be looked at"
        yield from (p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]


def _contents(path: Path, raw: bytes) -> Iterator[bytes]:
    """As it lies there, and unpacked."""
    yield raw
    if raw.startswith(b"\x28\xb5\x2f\xfd"):
        with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader:
            yield reader.read()
    elif raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw)
    elif raw.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def _pieces(mark: bytes) -> Iterator[bytes]:
    """PostgreSQL's pglz puts a control byte between each eight literal bytes."""
    if len(mark) < _TOKEN:
        yield mark
        return
    yield from (mark[at : at + _PIECE] for at in range(len(mark) - _PIECE + 1))


def _encoded(mark: bytes) -> Iterator[bytes]:
    """In hexadecimal, as dumps have bytes, and in base64, wherever in a text it begins."""
    yield mark[:_TOKEN].hex().encode()
    for before in range(3):
        whole = base64.b64encode(b"\x00" * before + mark[: len(mark) - (len(mark) + before) % 3])
        yield whole[4 if before else 0 :]
