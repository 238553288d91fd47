"""Reads the bits that the consent strings of the IAB are made of, six of them in a character."""

from __future__ import annotations

import base64
import re

from consent.signals.said import Illegible

MOST_CHARACTERS = 8192  # of one string; those of real banners have some hundreds
MOST_SEGMENTS = 4
_FORM = re.compile("[A-Za-z0-9_-]*")
_FIBONACCI = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233)  # no section has a higher number


def segments(text: str) -> list[str]:
    """The parts between the dots; Illegible if there are more than any string has."""
    found = text.split(".", MOST_SEGMENTS)
    if len(found) > MOST_SEGMENTS:
        raise Illegible(f"has over {MOST_SEGMENTS} segments: send it as it was made")
    return found


class Bits:
    """What is left of a string (base64url without padding); Illegible once there is no more."""

    __slots__ = ("_at", "_bits")

    def __init__(self, text: str) -> None:
        if not _FORM.fullmatch(text):
            raise Illegible("has characters that are not base64url: send it as it was made")
        raw = base64.urlsafe_b64decode(text + -len(text) % 4 * "A")
        self._bits = f"{int.from_bytes(raw):0{8 * len(raw)}b}"[: 6 * len(text)]
        self._at = 0

    def number(self, width: int) -> int:
        """An unsigned number, the highest bit first."""
        return int(self._next(width), 2)

    def flags(self, width: int) -> frozenset[int]:
        """The numbers of the bits that are set; the first is 1."""
        bits = self._next(width)
        return frozenset(number for number, bit in enumerate(bits, 1) if bit == "1")

    def skip(self, width: int) -> None:
        """Pass over so many."""
        self._next(width)

    def skip_ranges(self) -> None:
        """Pass over a counted list of numbers and of ranges, of 16 bits each."""
        count, end = self.number(12), self._at
        for _ in range(count):
            end += 33 if self._bits[end : end + 1] == "1" else 17
        self.skip(end - self._at)

    def fibonacci(self) -> int:
        """A number above 0 in Fibonacci coding, which ends with two ones."""
        end = self._bits.find("11", self._at, self._at + len(_FIBONACCI) + 1)
        if end < 0:
            raise Illegible("is cut off, or names a section that cannot be: send all of it")
        code = self._next(end + 2 - self._at)[:-1]
        return sum(value for value, bit in zip(_FIBONACCI, code, strict=False) if bit == "1")

    def _next(self, width: int) -> str:
        end = self._at + width
        if end > len(self._bits):
            raise Illegible("is cut off: send all of it")
        found, self._at = self._bits[self._at : end], end
        return found
