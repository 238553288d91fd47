"""The tolerant splitter finds what a JSON parser finds, and goes on where that gives up."""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.collect import splitter
from cdp.collect.splitter import NotJson, Tangled

LETTERS = 'ab"\\[]{},: \n\u00e9\U0001f600\ud800'
SCALARS = (None, True, False, 0, -7, 1 << 70, 1.5, -2e300)
LAYOUTS: tuple[dict[str, Any], ...] = ({}, {"indent": 1}, {"separators": (" ,\r\n", "\t: ")})
DAMAGES = [b"NaN", b"{no}", b'{"a":tru}', b'{"a" 1}', b"[1 2]", b"'", b"{]", b'"\xff"', b"", b"\\"]
SEEDS = st.integers(0, 1 << 32)  # values made by hand: drawing trees takes a second a test


def text(random: Random) -> str:
    return "".join(random.choices(LETTERS, k=random.randrange(6)))


def value(random: Random, depth: int = 3) -> Any:
    kind = random.randrange(4 if depth else 2)
    inner = range(random.randrange(4))
    if kind == 2:
        return [value(random, depth - 1) for _ in inner]
    if kind == 3:
        return {text(random): value(random, depth - 1) for _ in inner}
    return text(random) if kind else random.choice(SCALARS)


def written(value: Any, random: Random) -> bytes:
    ascii_only = random.random() < 0.5
    layout = random.choice(LAYOUTS)
    return json.dumps(value, ensure_ascii=ascii_only, **layout).encode("utf-8", "surrogatepass")


def read(text: bytes) -> Any:
    return json.loads(text.decode("utf-8", "surrogatepass"))


@given(SEEDS)
def test_elements_are_what_a_parser_finds(seed: int) -> None:
    random = Random(seed)
    text = written([value(random) for _ in range(random.randrange(8))], random)
    assert [read(piece) for piece in splitter.elements(text, 99)] == read(text)


@given(SEEDS)
def test_members_are_what_a_parser_finds(seed: int) -> None:
    random = Random(seed)
    text = written({str(n): value(random) for n in range(random.randrange(8))}, random)
    found = splitter.members(text)
    assert {name: read(piece) for name, piece in found.items()} == read(text)


@given(SEEDS, st.sampled_from(DAMAGES))
def test_one_damaged_element_never_loses_its_neighbours(seed: int, damage: bytes) -> None:
    random = Random(seed)
    elements = [written(value(random), random) for _ in range(random.randrange(1, 8))]
    elements.insert(random.randrange(len(elements) + 1), damage)
    assert splitter.elements(b"[" + b",".join(elements) + b"]", 99) == elements


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_never_fail(text: bytes) -> None:
    for look in (splitter.members, splitter.check, splitter.read, splitter.is_deep):
        try:
            look(text)
        except ValueError as error:
            assert str(error)


def test_what_follows_the_first_elements_is_one_piece() -> None:
    assert splitter.elements(b"[1, [2, 3] ,4,5]", 2) == [b"1", b"[2, 3]", b"4,5"]
    assert splitter.elements(b"[1, 2]", 2) == [b"1", b"2"]
    assert splitter.elements(b"[]", 2) == []


def test_of_a_repeated_name_the_last_counts() -> None:
    assert splitter.members(b'{"a": 1, "b": 2, "\\u0061": 3}') == {"a": b"3", "b": b"2"}


@pytest.mark.parametrize("text", [b"[1, 2", b"[1]]", b"[1][2]", b"[[1]", b'["1]', b"1", b"", b"{}"])
def test_a_list_that_does_not_end_where_it_should_is_not_json(text: bytes) -> None:
    with pytest.raises(NotJson):
        splitter.elements(text, 99)


@pytest.mark.parametrize(
    "text", [b"[" * 5000 + b"]" * 5000, b'{"a":NaN}', b'{"a":1e400}', b'"\\ud800"', b"1" * 5000]
)
def test_what_we_cannot_take_may_be_json_all_the_same(text: bytes) -> None:
    splitter.check(text)


@pytest.mark.parametrize("text", [b"[" * 5000 + b"]" * 4999, b'{"a":nan}', b"{1:2}", b""])
def test_what_nobody_can_take_is_not_json(text: bytes) -> None:
    with pytest.raises(NotJson):
        splitter.check(text)


def test_depth_counts_brackets_outside_of_strings() -> None:
    assert not splitter.is_deep(b"[" * 200 + b"]" * 200)
    assert splitter.is_deep(b"[" * 201)
    assert not splitter.is_deep(b"[],{}," * 300 + b'"' + b"[" * 300 + b'\\"[[["')


@pytest.mark.parametrize("attack", [b'{"' + b'\\"' * 40_000, b'["' + b"\\" * 80_001, b'"' * 80_001])
def test_no_bytes_are_looked_at_again_and_again(attack: bytes) -> None:
    start = time.perf_counter()
    with pytest.raises(NotJson):
        splitter.members(b"{" + attack + b"}")
    assert time.perf_counter() - start < 1.0  # quadratic: over half a minute


def test_a_damaged_body_with_too_many_brackets_is_given_up_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splitter, "MAX_MARKS", 1000)
    assert len(splitter.elements(b"[" + b"[]," * 332 + b"[]]", -1)) == 333
    with pytest.raises(Tangled, match="over 1000"):
        splitter.elements(b"[" + b"[]," * 333 + b"[]]", -1)
