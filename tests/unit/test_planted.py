"""The search for planted marks sees them however they were written."""

from __future__ import annotations

import base64
import gzip
import zipfile
from pathlib import Path

import pytest
import zstandard

from tests.support.planted import Planted, found_as, found_in


@pytest.fixture
def planted() -> Planted:
    return Planted()


def test_marks_are_found_in_files_whatever_packs_them(tmp_path: Path, planted: Planted) -> None:
    text = b"somebody called " + planted.word("name").encode() + b" was here"
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "plain").write_bytes(text)
    frame = zstandard.ZstdCompressor(level=19).compress
    (tmp_path / "rows.zst").write_bytes(frame(b"another frame") + frame(text * 100))
    (tmp_path / "log.gz").write_bytes(gzip.compress(text * 100))
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.json", text * 100)
    (tmp_path / "other").write_bytes(Planted().word("name").encode())
    names = {Path(each.split(" at ")[0]).name for each in found_in([tmp_path], planted)}
    assert names == {"plain", "rows.zst", "log.gz", "export.zip"}


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_marks_are_found_however_they_are_spelled(before: str, planted: Planted) -> None:
    marks = (planted.word("x"), planted.email("x"), planted.phone(), planted.address())
    for mark in marks:
        said = (before + mark + " and more").encode()
        for written in (said, said.hex().encode(), base64.b64encode(said)):
            assert len(found_as("said", written, planted)) == 1, (mark, written)
    assert found_as("said", Planted().email("x"), planted) == []


def test_a_mark_that_a_compressor_has_cut_into_pieces_is_found(planted: Planted) -> None:
    mark = planted.word("").encode()
    for offset in range(8):
        cut = b"\x00".join([mark[:offset], *(mark[at : at + 8] for at in range(offset, 16, 8))])
        assert found_as("page", cut, planted)


def test_a_place_that_is_not_there_is_no_proof(tmp_path: Path, planted: Planted) -> None:
    with pytest.raises(AssertionError, match="nothing would be looked at"):
        found_in([tmp_path / "mistyped"], planted)
