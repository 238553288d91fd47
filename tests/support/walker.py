"""Chromium as a person uses it: pages, keys and clicks, and what an accessibility checker finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.node import Node, node

_SECONDS = 120.0  # for everything that one walk does


@dataclass(frozen=True, slots=True)
class Walker:
    """One page in a browser of its own."""

    program: Node

    def do(self, what: str, **how: Any) -> dict[str, Any]:
        """One thing that `walk.mjs` knows, and what came of it."""
        return self.program.say(json.dumps({"do": what} | how))


@contextmanager
def walking(sdks: Path, chromium: str, **options: Any) -> Iterator[Walker]:
    """A browser for as long as the block lasts; `options` are those of a Playwright context."""
    with node(sdks, "walk.mjs", chromium, json.dumps(options), seconds=_SECONDS) as program:
        yield Walker(program)
