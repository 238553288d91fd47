"""Names that clients choose, where they would stand in clear: only those that name no person."""

from __future__ import annotations

import re

OTHER = "(other)"
MAX_NAME = 100  # characters

# An address, or a number as long as a phone's or a card's, is somebody rather than something.
_SOMEBODY = re.compile(r"@|[0-9]{6}")


def told(name: str) -> str:
    """The name of an event or a property; OTHER for one that may say who somebody is."""
    if len(name) > MAX_NAME or not name.isprintable() or _SOMEBODY.search(name):
        return OTHER
    return name
