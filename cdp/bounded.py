"""Memories with a bound: the oldest make room, at a price that does not grow with the bound."""

from __future__ import annotations

from itertools import islice
from typing import Any

_SHARE = 8  # an eighth is forgotten at once


def make_room(held: dict[Any, Any], size: int) -> None:
    """Once there are more than `size`, forget the oldest down to seven eighths of it.

    Not one at a time: a dict looks for its oldest from where the first lay that it ever had, past
    the places of all that were deleted since it last grew. With 200,000 held that is 0.1 ms each.
    """
    if len(held) > size:
        for key in list(islice(held, len(held) - size + size // _SHARE)):
            del held[key]
