"""Takes a damaged batch apart so that its good events still go through.

The fast parser gives up on a whole body for one lone surrogate, NaN or 10,000 brackets. This
one only finds where values begin and end, without recursion, and leaves the reading to others.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)
_SPACE = b" \t\r\n"
_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_DEPTH = 200


class Truncated(ValueError):
    """The brackets do not match: this is not JSON, or not all of it."""


def members(body: bytes) -> dict[str, bytes]:
    """The members of a JSON object as undecoded slices; of a repeated name the last."""
    found: dict[str, bytes] = {}
    for piece in _pieces(body, b"{", b"}"):
        match = _TOKEN.match(piece)
        if match is None or piece[match.end() :].lstrip(_SPACE)[:1] != b":":
            raise Truncated("an object's member has no name")
        name = json.loads(match[0].decode("utf-8", "replace"), strict=False)
        found[name] = piece[match.end() :].lstrip(_SPACE)[1:].strip(_SPACE)
    return found


def elements(array: bytes) -> list[bytes]:
    """The elements of a JSON array as undecoded slices."""
    return _pieces(array, b"[", b"]")


def _pieces(text: bytes, opening: bytes, closing: bytes) -> list[bytes]:
    text = text.strip(_SPACE)
    if text[:1] != opening or text[-1:] != closing:
        raise Truncated(f"expected {opening.decode()} … {closing.decode()}")
    pieces: list[bytes] = []
    depth, start, end = 0, 1, len(text) - 1
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in {b"{", b"["}:
            depth += 1
        elif mark in {b"}", b"]"}:
            depth -= 1
            if depth == 0 and token.start() != end:
                raise Truncated("something follows the end")
        elif mark == b"," and depth == 1:
            pieces.append(text[start : token.start()].strip(_SPACE))
            start = token.end()
    if depth:
        raise Truncated("brackets do not match")
    last = text[start:end].strip(_SPACE)
    if last or pieces:
        pieces.append(last)
    return pieces


def depth(text: bytes) -> int:
    """How deep brackets nest."""
    deepest = level = 0
    for token in _TOKEN.finditer(text):
        if token[0] in {b"{", b"["}:
            level += 1
            deepest = max(deepest, level)
        elif token[0] in {b"}", b"]"}:
            level -= 1
    return deepest


def read(text: bytes) -> Any:
    """Decode what the fast parser refuses; ValueError says what is not JSON.

    Lone surrogates and invalid UTF-8 become U+FFFD, the replacement character.
    """
    if depth(text) > MAX_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_DEPTH}")
    try:
        decoded = json.loads(text.decode("utf-8", "replace"), parse_constant=_refuse, strict=False)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg}") from None
    return _clean(decoded)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"has {constant}, which is not JSON")


def _clean(value: Any) -> Any:
    """Replace what neither UTF-8 nor MessagePack can hold; recursion is bounded by MAX_DEPTH."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, float) and value in {float("inf"), float("-inf")}:
        raise ValueError("has a number out of range")
    return fitting(value)


def fitting(value: Any) -> Any:
    """Integers beyond 64 bits become floating point, as in every JavaScript client."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return float(value)
    return value
