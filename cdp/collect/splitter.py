"""Takes a damaged body apart so that its good events still go through.

The fast parser gives up on a whole body for one lone surrogate, NaN or 10,000 brackets. This
one only finds where values begin and end, without recursion and in one pass over the bytes, and
leaves the reading to others.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NoReturn

MAX_DEPTH = 200
MAX_MARKS = 500_000  # brackets and commas in a damaged body: more would keep everybody waiting
_SPACE = b" \t\r\n"
# Possessive, and an open string runs to the end: whatever the bytes, each is looked at once.
_STRING = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_TEXT = re.compile(_STRING, re.DOTALL)
_TO_COMMA = re.compile(rb"(?:" + _STRING + rb'|[^"{}\[\],]++)*+([{}\[\],]|\Z)', re.DOTALL)
_TO_BRACKET = re.compile(rb"(?:" + _STRING + rb'|[^"{}\[\]]++)*+([{}\[\]]|\Z)', re.DOTALL)
_STEP = {b"{": 1, b"[": 1, b"}": -1, b"]": -1, b",": 0}
_CLOSING = {b"{": b"}", b"[": b"]"}
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{[}]"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS_OF_64_BITS = 20


class NotJson(ValueError):
    """This is not JSON, or not all of it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"is not JSON: {why}")


class Tangled(ValueError):
    """It may be JSON, but it is damaged and has too many brackets to find out where."""


def members(body: bytes) -> dict[str, bytes]:
    """The members of a JSON object as undecoded slices; of a repeated name the last."""
    found: dict[str, bytes] = {}
    for piece in _pieces(body, b"{"):
        match = _TEXT.match(piece)
        if match is None or piece[match.end() :].lstrip(_SPACE)[:1] != b":":
            raise NotJson("an object's member has no name")
        try:
            name = json.loads(match[0].decode("utf-8", "replace"), strict=False)
        except json.JSONDecodeError as error:
            raise NotJson(error.msg) from None
        found[name] = piece[match.end() :].lstrip(_SPACE)[1:].strip(_SPACE)
    return found


def elements(array: bytes, most: int) -> list[bytes]:
    """The elements of a JSON array as undecoded slices; what follows the first `most` is one."""
    return _pieces(array, b"[", most)


def _pieces(text: bytes, opening: bytes, most: int = -1) -> list[bytes]:
    text = text.strip(_SPACE)
    if text[:1] != opening or text[-1:] != _CLOSING[opening]:
        raise NotJson(f"expected {opening.decode()} … {_CLOSING[opening].decode()}")
    pieces: list[bytes] = []
    level, start, end = 1, 1, len(text) - 1
    for position, step in _steps(text):
        level += step
        if step == 0 and len(pieces) != most:
            pieces.append(text[start:position].strip(_SPACE))
            start = position + 1
        elif level == 0 and position != end:
            raise NotJson("something follows the end")
    if level:
        raise NotJson("brackets do not match")
    last = text[start:end].strip(_SPACE)
    if last or pieces:
        pieces.append(last)
    return pieces


def _steps(text: bytes) -> Iterator[tuple[int, int]]:
    """Where a bracket goes up (1) or down (-1), and where a comma (0) stands between members."""
    level = position = 1
    for _ in range(MAX_MARKS):
        mark = (_TO_COMMA if level == 1 else _TO_BRACKET).match(text, position)
        if mark is None or not mark[1]:
            return
        position, step = mark.end(), _STEP[mark[1]]
        level += step
        yield position - 1, step
    raise Tangled(f"is damaged and has over {MAX_MARKS} brackets and commas")


def is_deep(text: bytes) -> bool:
    """Whether brackets nest deeper than the limit."""
    brackets = _TEXT.sub(b"", text).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0) > MAX_DEPTH


def check(text: bytes) -> None:
    """NotJson unless this is JSON, be it too deep to read, or with a NaN in it."""
    try:
        json.loads(text.decode("utf-8", "replace"), strict=False)
    except RecursionError:
        bare = _TEXT.sub(b"", text)
        if any(bare.count(each) != bare.count(_CLOSING[each]) for each in _CLOSING):
            raise NotJson("brackets do not match") from None
    except json.JSONDecodeError as error:
        raise NotJson(error.msg) from None
    except ValueError:  # a number with thousands of digits
        return


def read(text: bytes) -> Any:
    """Decode what the fast parser refuses; ValueError says what we cannot take, NotJson why not.

    Lone surrogates and invalid UTF-8 become U+FFFD, the replacement character. Whole numbers
    beyond 64 bits become floating point, as in every JavaScript client.
    """
    if is_deep(text):
        raise ValueError(f"is nested deeper than {MAX_DEPTH}")
    try:
        decoded = json.loads(
            text.decode("utf-8", "replace"),
            parse_constant=_refuse,
            parse_int=_whole,
            parse_float=_finite,
            strict=False,
        )
    except json.JSONDecodeError as error:
        raise NotJson(error.msg) from None
    return _clean(decoded)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"has {constant}, which is not JSON")


def _whole(digits: str) -> int | float:
    if len(digits) <= _DIGITS_OF_64_BITS and -(1 << 63) <= int(digits) < 1 << 64:
        return int(digits)
    return _finite(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise ValueError("has a number out of range")
    return value


def _clean(value: Any) -> Any:
    """Replace what neither UTF-8 nor MessagePack can hold; recursion is bounded by MAX_DEPTH."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return value
