"""Bodies are inflated by what they are, not by what they say, and never beyond the limit."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from cdp.collect.inflate import MAX_BODY, inflate
from cdp.errors import Invalid, TooLarge

PLAIN = b'{"type":"page"}' * 100


@pytest.mark.parametrize("body", [b"", b"{}", PLAIN, b"\x1f", b"\x1e\x8b", b"\x00\xff"])
def test_what_is_not_gzip_stays_as_it_is(body: bytes) -> None:
    assert inflate(body) == body


def test_gzip_is_told_by_its_magic_bytes() -> None:
    assert inflate(gzip.compress(PLAIN)) == PLAIN
    assert inflate(gzip.compress(b"")) == b""


def test_several_members_are_one_body() -> None:
    members = [gzip.compress(PLAIN[:700]), gzip.compress(b""), gzip.compress(PLAIN[700:])]
    assert inflate(b"".join(members)) == PLAIN
    assert inflate(b"".join(members) + b"\x00" * 8) == PLAIN  # padding after the end
    assert inflate(gzip.compress(b"a") * 100) == b"a" * 100
    with pytest.raises(Invalid, match="over 100 members"):
        inflate(gzip.compress(b"") * 101)


@pytest.mark.parametrize("cut", [2, 9, 10, 20, -8, -1])
def test_a_cut_off_body_is_refused(cut: int) -> None:
    with pytest.raises(Invalid, match="cut off"):
        inflate(gzip.compress(PLAIN)[:cut])


def test_a_damaged_body_is_refused() -> None:
    good = gzip.compress(PLAIN)
    for bad in (b"\x1f\x8b\x08" + b"\xff" * 50, good[:-8] + b"\x00" * 8, good[:3] + good[2:]):
        with pytest.raises(Invalid, match="damaged"):
            inflate(bad)


def test_the_limit_counts_after_inflation() -> None:
    assert len(inflate(gzip.compress(b" " * MAX_BODY, 1))) == MAX_BODY
    with pytest.raises(TooLarge, match="4096000 bytes"):
        inflate(gzip.compress(b" " * (MAX_BODY + 1), 1))
    halves = gzip.compress(b" " * (MAX_BODY // 2 + 1), 1) * 2
    with pytest.raises(TooLarge):
        inflate(halves)


def test_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(b"\x00" * (10 * MAX_BODY), 1)
    assert len(bomb) < MAX_BODY // 10
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            inflate(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_BODY
    finally:
        tracemalloc.stop()
