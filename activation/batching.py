"""Ready deliveries by destination: what is sent at once, and what is put back unsent."""

from __future__ import annotations

from collections.abc import Sequence

from activation import claims
from activation.gate import Ready
from activation.lanes.model import BUSY, Lane
from activation.store import Mark
from cdp.events import Instant
from cdp.times import SECOND


def unsent(batch: Sequence[Ready], lane: Lane, now: Instant) -> list[Mark]:
    """Claimed, but it was not their turn in time: the try does not count."""
    marks = []
    for each in batch:
        due = now + round(lane.put_off(0, claims.clock()) * SECOND)
        tried = each.delivery.attempts
        marks.append(Mark(each.delivery.id, "retrying", BUSY, due, tried=-1, attempt=tried))
    return marks


def batches(ready: Sequence[Ready]) -> list[list[Ready]]:
    """What can be sent at once, in the order in which it came."""
    by: dict[str, list[Ready]] = {}
    for each in ready:
        by.setdefault(each.destination.key, []).append(each)
    return [
        mine[first : first + mine[0].connector.most]
        for mine in by.values()
        for first in range(0, len(mine), mine[0].connector.most)
    ]
