"""The text of an HTML message, for who reads without: paragraphs, lists, and links in brackets."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SILENT = frozenset({"head", "style", "script", "title", "template"})
_BREAKS = {"br": 1, "tr": 1, "li": 1, "div": 1, "hr": 1} | dict.fromkeys(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre"), 2
)
_SPACE = re.compile(r"\s+")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent: list[str] = []
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in _SILENT:
            self._silent.append(tag)
        self.pieces.append("\n" * _BREAKS.get(tag, 0))
        if tag == "li":
            self.pieces.append("- ")
        elif tag == "img":
            self.pieces.append(told.get("alt") or "")
        elif tag == "a":
            self._links.append(told.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            while self._silent.pop() != tag:
                pass
        elif tag == "a" and self._links:
            link = self._links.pop()
            if link and not link.startswith("#"):
                self.pieces.append(f" ({link.removeprefix('mailto:')})")
        elif tag in _BREAKS and tag not in {"br", "hr", "li"}:
            self.pieces.append("\n" * _BREAKS[tag])

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(_SPACE.sub(" ", data))

    def updatepos(self, i: int, j: int) -> int:
        """Which line it is in: nobody asks."""
        return j


def text_of(html: str) -> str:
    """Never more than two line ends in a row, none at the ends."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = [line.strip() for line in "".join(reader.pieces).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
