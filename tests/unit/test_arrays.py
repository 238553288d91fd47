"""Arrays as we write them are what the driver reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import PyFormat, Transformer
from psycopg.postgres import adapters
from psycopg.pq import Format
from psycopg.types.array import ListBinaryDumper

from cdp.arrays import ListDumper


def dumper(items: list[Any]) -> Any:
    ours = ListDumper(list, Transformer())
    return ours.upgrade(items, PyFormat.BINARY)


def read(items: list[Any]) -> Any:
    made = dumper(items)
    loader = adapters.get_loader(made.oid, Format.BINARY)
    assert loader is not None
    return loader(made.oid, Transformer()).load(made.dump(items))


elements = st.one_of(
    st.lists(st.one_of(st.none(), st.binary(max_size=40)), min_size=1),
    st.lists(st.binary(min_size=16, max_size=16), min_size=1),
    st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0")))),
    st.lists(st.one_of(st.none(), st.integers(-(1 << 63), (1 << 63) - 1))),
    st.lists(st.one_of(st.none(), st.booleans())),
)


@given(elements.filter(lambda items: any(each is not None for each in items)))
def test_what_we_write_the_driver_reads(items: list[Any]) -> None:
    assert read(items) == items


@pytest.mark.parametrize("items", [[b"a", b"bc"], ["a", "\u00e4"], [1, 1 << 40], [True, False]])
def test_it_is_what_the_driver_writes(items: list[Any]) -> None:
    theirs = ListBinaryDumper(list, Transformer()).upgrade(items, PyFormat.BINARY)
    expected = bytearray(theirs.dump(items) or b"")
    expected[7] = 1  # we never look whether there is a NULL
    assert dumper(items).dump(items) == bytes(expected)


@pytest.mark.parametrize("items", [[], [None], [1.5], [[1]], [{}]])
def test_other_lists_are_the_drivers(items: list[Any]) -> None:
    assert not isinstance(dumper(items) if items != [{}] else None, ListDumper)


def test_the_size_of_numbers_does_not_change_the_type() -> None:
    ours = ListDumper(list, Transformer())
    keys = {ours.get_key([number], PyFormat.BINARY) for number in (1, 1 << 20, 1 << 40)}
    assert len(keys) == 1
