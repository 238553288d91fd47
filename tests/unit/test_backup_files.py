"""Rows of COPY survive any cutting; a damaged file says which part of it is."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.backup import files
from cdp.backup.moving import Places, moved
from cdp.backup.rows import END, Rows, packed
from cdp.errors import Damaged
from cdp.log.store import partition_of

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(4) + (3).to_bytes(4, "big") + b"ext"
COLUMNS = ["partition", "offset", "subject", "payload"]


def cut(whole: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted({each % (len(whole) + 1) for each in at}), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges) if a < b]


@given(
    rows=st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4)),
    at=st.lists(st.integers(0, 10_000)),
)
def test_rows_are_the_same_wherever_the_pieces_end(rows: list[list[bytes]], at: list[int]) -> None:
    whole = HEADER + b"".join(map(packed, rows)) + END
    read = Rows(cut(whole, at))
    assert read.header == HEADER
    assert list(read) == rows


@given(
    subjects=st.lists(st.binary(min_size=1, max_size=2)),
    partitions=st.integers(1, 9),
    at=st.lists(st.integers(0, 10_000)),
)
def test_moved_rows_lie_densely_where_their_subjects_live(
    subjects: list[bytes], partitions: int, at: list[int]
) -> None:
    rows = [[b"\x00\x63", bytes(8), subject, b"%d" % n] for n, subject in enumerate(subjects)]
    whole = HEADER + b"".join(map(packed, rows)) + END
    places = Places(dict.fromkeys(range(partitions), 0))
    found = list(Rows(moved(cut(whole, at), COLUMNS, places)))
    assert [row[2:] for row in found] == [row[2:] for row in rows]
    ends = dict.fromkeys(range(partitions), 0)
    for partition, offset, subject, _ in found:
        where = int.from_bytes(partition, "big")
        assert where == partition_of(subject, partitions)
        assert int.from_bytes(offset, "big") == ends[where]
        ends[where] += 1
    assert places.heads == ends


def test_a_file_is_what_was_written_and_tells_where_it_is_not(tmp_path: Path) -> None:
    blocks = [os.urandom(1000) for _ in range(3000)]
    written = files.write(tmp_path / "a" / "b", blocks)
    assert written.path.name == f"b-{written.sha256[:12]}.copy.zst"
    assert b"".join(files.read(written.path)) == b"".join(blocks)
    files.check(written)
    whole = written.path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 4  # the second of three frames
    written.path.write_bytes(damaged)
    with pytest.raises(Damaged, match=r"zst is damaged between bytes 1,0\d\d,\d{3} and"):
        files.check(written)
    written.path.write_bytes(whole + whole)
    with pytest.raises(Damaged, match="bytes instead of"):
        files.check(written)
    assert [path.name for path in (tmp_path / "a").iterdir()] == [written.path.name]
