"""Positions are found on Kafka whatever was published twice, cut off or lost there."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from cdp.stream.kafka.locating import locate, newest

HERE = TP("events", 3)


class Shelf:
    """A partition on Kafka as a list of the log's offsets, from Kafka's offset `first` on."""

    def __init__(self, offsets: list[int | None], first: int = 0) -> None:
        self.first = first
        self.found = [_found(first + at, offset) for at, offset in enumerate(offsets)]
        self.at = 0

    @property
    def ends(self) -> tuple[int, int]:
        return self.first, self.first + len(self.found)

    async def bounds(self, tps: Collection[TP]) -> dict[TP, tuple[int, int]]:
        return {HERE: self.ends}

    async def seek(self, offsets: Mapping[TP, int]) -> None:
        self.at = offsets[HERE]

    async def take(self, tps: Collection[TP], timeout: float, most: int) -> Mapping[TP, list[Any]]:
        found = [each for each in self.found if each.offset >= self.at][:most]
        return {HERE: found} if found else {}


def _found(offset: int, position: int | None) -> SimpleNamespace:
    headers = [] if position is None else [("position", b"3/%d" % position)]
    return SimpleNamespace(offset=offset, partition=3, headers=headers, key=b"", value=b"")


@st.composite
def shelves(draw: st.DrawFn) -> list[int]:
    """The log's offsets as a relay leaves them that crashes and publishes some again."""
    offsets: list[int] = []
    end = 0
    for grown, back in draw(
        st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), max_size=8)
    ):
        start = max(0, end - back)
        offsets += range(start, end + grown)
        end += grown
    return offsets


async def located(shelf: Shelf, position: int) -> int:
    return (await locate(shelf, {HERE: position}))[HERE].low


@given(shelves(), st.integers(0, 120), st.integers(0, 40), st.integers(0, 1000))
def test_whoever_reads_from_there_misses_nothing(
    offsets: list[int], position: int, cut: int, first: int
) -> None:
    kept = offsets[cut:]
    shelf = Shelf(list(kept), first)
    at = asyncio.run(located(shelf, position)) - first
    assert 0 <= at <= len(kept)
    expected = position
    for offset in kept[at:]:
        expected += offset == expected
    if kept and min(kept) <= position:  # else the reader turns to the log for what is cut off
        assert expected == max(position, max(kept) + 1)
    assert at == len(kept) or kept[at] >= position, "read more than was needed"


def test_where_nothing_was_published_twice_two_looks_are_enough() -> None:
    shelf = Shelf(list(range(10_000, 50_000)), first=7)
    looks = []
    plain = shelf.seek

    async def seek(offsets: Mapping[TP, int]) -> None:
        looks.append(offsets[HERE])
        await plain(offsets)

    shelf.seek = seek  # type: ignore[method-assign]
    assert asyncio.run(located(shelf, 12_345)) == 2345 + 7
    assert len(looks) == 2


def test_the_newest_of_ours_is_found_behind_what_is_not() -> None:
    shelf = Shelf([4, 5, None, None])
    assert asyncio.run(newest(shelf, [HERE]))[HERE].offset == 5
    assert asyncio.run(newest(Shelf([], 9), [HERE])) == {}
    assert asyncio.run(located(shelf, 5)) <= 1
    assert asyncio.run(located(shelf, 6)) >= 2
