"""Slots in a row for a destination with a rate: who takes which, and who has to wait."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from activation.lanes.model import HELD_SECONDS, Later
from activation.model import Delivery
from cdp.events import Instant
from cdp.times import SECOND

LIMITED = "rate limited"  # reason in the ledger
AHEAD_SECONDS = 1.0  # that a slot which is taken may be ahead: a worker waits that long for it
RELEASED_SECONDS = 0.75  # that those are ahead which waiting deliveries are let go for
_NEW = {"requested", "delayed"}
_HELD = round(HELD_SECONDS * SECOND)


class Row(NamedTuple):
    """One destination's: the first free slot, and the one expected by the last who waits."""

    free: Instant
    last: Instant | None = None  # nobody waits


class Given(NamedTuple):
    """The slots of those that go, until when the others wait, and what is left of the row."""

    slots: dict[bytes, Instant]
    later: dict[bytes, Later]
    row: Row


def spacing(rate: float) -> int:
    """Microseconds between two slots, for so many a second: rather more than less."""
    return math.ceil(SECOND / rate)


def give(row: Row, deliveries: Sequence[Delivery], rate: float, now: Instant) -> Given:
    """A slot for each whose turn it is: those that were here before, or all if nobody waits.

    Who waits is due an hour after the slot that it may expect, and is let go before; so the order
    of who waits is that of `due`.
    """
    space, free, last = spacing(rate), max(row.free, now), row.last
    slots: dict[bytes, Instant] = {}
    later: dict[bytes, Later] = {}
    for each in deliveries:
        turn = last is None or each.state not in _NEW
        if turn and free <= now + round(AHEAD_SECONDS * SECOND):
            slots[each.id] = free
            free += space
        else:
            last = max(last + space if last is not None else free, free)
            later[each.id] = Later(last + _HELD, LIMITED)
    return Given(slots, later, Row(free, last))


def to_release(row: Row, rate: float, now: Instant, out: int) -> int:
    """How many of those that wait may go, with so many let go before that took no slot yet."""
    until = now + round(RELEASED_SECONDS * SECOND)
    free = max(row.free, now)
    return max(0, (until - free) // spacing(rate) + 1 - out) if free <= until else 0
