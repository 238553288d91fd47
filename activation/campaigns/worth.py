"""What people of a campaign were worth: means with intervals, and how they compare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from activation.campaigns.numbers import Begun
from activation.campaigns.results import Z, told

USUAL = ("revenue", "total")


class Worth(NamedTuple):
    """The sum over so many people, and of its squares; who reached no goal was worth nothing."""

    people: int = 0
    converted: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """Of one person."""
        return self.total / self.people if self.people else 0.0

    @property
    def error(self) -> float:
        """The standard error of the mean, by the unbiased variance; 0 of fewer than two people."""
        if self.people < 2:
            return 0.0
        variance = (self.squares - self.total**2 / self.people) / (self.people - 1)
        return math.sqrt(max(variance, 0.0) / self.people)

    def and_(self, value: float | None) -> Worth:
        """With one person more; None: they reached no goal."""
        amount = value or 0.0
        return Worth(
            self.people + 1,
            self.converted + (value is not None),
            self.total + amount,
            self.squares + amount**2,
        )


def value(properties: Mapping[str, Any], name: str) -> float:
    """What an event says that it was worth: a number, or a text that is one; else nothing."""
    for each in (name,) if name else USUAL:
        try:
            found = float(properties.get(each, ""))
        except (TypeError, ValueError):
            continue
        if math.isfinite(found):
            return found
    return 0.0


def summed(begun: Iterable[Begun], values: Mapping[bytes, float]) -> dict[bool, Worth]:
    """By whether they were held out; `values` are those of events."""
    found: dict[bool, Worth] = {}
    for each in begun:
        amount = None if each.converted_by is None else values.get(each.converted_by, 0.0)
        found[each.held_out] = found.get(each.held_out, Worth()).and_(amount)
    return found


def compared(groups: Mapping[bool, Worth]) -> dict[str, Any]:
    """Worth of a person treated and of one held out, and the lift: normal intervals of 95 %."""
    mine, others = groups.get(False, Worth()), groups.get(True, Worth())
    lift = None
    if mine.people and others.people:
        by, spread = mine.mean - others.mean, Z * math.hypot(mine.error, others.error)
        found = {"by": by, "low": by - spread, "high": by + spread}
        lift = {name: round(each, 6) for name, each in found.items()}
    return {"treated": shown(mine), "held_out": shown(others), "lift": lift}


def shown(worth: Worth) -> dict[str, Any]:
    """As the API has it."""
    spread = Z * worth.error
    return {
        "total": round(worth.total, 6),
        "per_person": round(worth.mean, 6),
        "low": round(worth.mean - spread, 6),
        "high": round(worth.mean + spread, 6),
    }


def parted(
    begun: Sequence[Begun], values: Mapping[bytes, float], by: str
) -> dict[str, dict[str, Any]]:
    """Of those who were sent something, by the channel of the last message; or by `day`."""
    found: dict[str, Worth] = {}
    for each in begun:
        name = getattr(each, by)
        if name and not each.held_out:
            amount = None if each.converted_by is None else values.get(each.converted_by, 0.0)
            found[name] = found.get(name, Worth()).and_(amount)
    return {
        name: {"conversions": told(worth.converted, worth.people), "revenue": shown(worth)}
        for name, worth in sorted(found.items())
    }
