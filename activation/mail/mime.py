"""The bytes of an e-mail: header lines and quoted-printable parts, in seven bits and short lines.

Python's `email` package makes a class for each header line and folds character by character: ten
times as slow, and it spells long URLs in encoded words, which mailboxes do not follow. Sources:
RFC 5322 (lines), RFC 2047 (words that are not ASCII), RFC 2045 and 2046 (parts).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

_SHORT, _LONGEST = 78, 998  # characters of a line: as it should be, and at most
_BYTES = 45  # of UTF-8 in an encoded word: it has 75 characters at most
_BREAK = re.compile(r" (?=[^ ])")
_PLAIN = re.compile(r"[ -~]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


def field(name: str, value: str) -> bytes:
    """A header line, folded at spaces; ValueError if it is no ASCII, or does not fit."""
    if _PLAIN.fullmatch(value) is None:
        raise ValueError(f"{name} has a character that it cannot have")
    lines, line = [], f"{name}:"
    for word in _BREAK.split(value):
        if len(line) + 1 + len(word) > _SHORT and line.strip() and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    lines.append(line)
    if any(len(each) > _LONGEST for each in lines):
        raise ValueError(f"{name} is too long")
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def phrase(name: str) -> str:
    """A display name: atoms, else quoted, else in encoded words."""
    if _PLAIN.fullmatch(name) is None or "=?" in name:
        return words(name)
    if _ATOMS.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(text: str) -> str:
    """A text as it is if it is printable ASCII; else in encoded words of whole characters."""
    if (
        _PLAIN.fullmatch(text)
        and "=?" not in text
        and not re.search(f"[^ ]{{{_LONGEST - 100}}}", text)
    ):
        return text
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("a control character in a header")
    return " ".join(
        f"=?utf-8?b?{base64.b64encode(each).decode()}?=" for each in _pieces(text, _BYTES)
    )


def _pieces(text: str, most: int) -> Iterator[bytes]:
    piece = b""
    for character in text:
        coded = character.encode()
        if len(piece) + len(coded) > most:
            yield piece
            piece = b""
        piece += coded
    if piece:
        yield piece


def part(kind: str, text: str) -> bytes:
    """Text of that kind, in quoted-printable."""
    lines = "\r\n".join(text.splitlines()) + "\r\n"
    coded = binascii.b2a_qp(lines.encode(), istext=True)
    return (
        f'Content-Type: text/{kind}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode() + coded


def alternatives(boundary: str, parts: Sequence[bytes]) -> bytes:
    """The same in several ways, the best last; with `=_` in it, no part has the boundary."""
    edge = f"--{boundary}".encode()
    body = b"".join(edge + b"\r\n" + each + b"\r\n" for each in parts)
    head = field("MIME-Version", "1.0")
    head += field("Content-Type", f'multipart/alternative; boundary="{boundary}"')
    return head + b"\r\n" + body + edge + b"--\r\n"
