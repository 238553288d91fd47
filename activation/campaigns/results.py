"""What came of a campaign: rates with intervals, and how they compare with those held out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

Z = 1.96  # 95 %
KINDS = ("opened", "clicked", "bounced", "complained", "unsubscribed")


class Share(NamedTuple):
    """So many of so many, and between which shares that lies with 95 % probability."""

    some: int
    of: int
    rate: float
    low: float
    high: float


class Uplift(NamedTuple):
    """By how much one share is larger than another, and between which that lies."""

    by: float
    low: float
    high: float


def share(some: int, of: int) -> Share:
    """The interval of Wilson (1927)."""
    if not of:
        return Share(0, 0, 0.0, 0.0, 1.0)
    rate = some / of
    spread = Z * math.sqrt(rate * (1 - rate) / of + Z**2 / (4 * of**2))
    middle, whole = rate + Z**2 / (2 * of), 1 + Z**2 / of
    return Share(some, of, rate, max(0.0, (middle - spread) / whole), (middle + spread) / whole)


def uplift(treated: Share, held_out: Share) -> Uplift | None:
    """Of those who were sent something over those who were not; None without either.

    The interval is that of Newcombe (1998), made of Wilson's.
    """
    if not treated.of or not held_out.of:
        return None
    by = treated.rate - held_out.rate
    low = by - math.hypot(treated.rate - treated.low, held_out.high - held_out.rate)
    high = by + math.hypot(treated.high - treated.rate, held_out.rate - held_out.low)
    return Uplift(by, low, high)


def told(some: int, of: int) -> dict[str, Any]:
    """A share as the API shows it."""
    found = share(some, of)
    return {
        "count": found.some,
        "of": found.of,
        "rate": round(found.rate, 6),
        "low": round(found.low, 6),
        "high": round(found.high, 6),
    }


def compared(groups: Mapping[bool, tuple[int, int]]) -> dict[str, Any]:
    """Conversions of (converted, begun) by whether they were held out, and the difference."""
    mine, others = groups.get(False, (0, 0)), groups.get(True, (0, 0))
    found = uplift(share(*mine), share(*others))
    lifted = None
    if found is not None:
        lifted = {name: round(value, 6) for name, value in found._asdict().items()}
    return {"treated": told(*mine), "held_out": told(*others), "uplift": lifted}


def delivered(states: Mapping[str, int], responses: Mapping[str, int]) -> dict[str, Any]:
    """Of the messages of a step: how many are sent, are not and never will be, or are under way.

    And how many of those that were sent came back, were opened and so on.
    """
    requested, sent = sum(states.values()), states.get("sent", 0)
    ended = sum(states.get(each, 0) for each in ("sent", "refused", "parked"))
    return {
        "requested": requested,
        "sent": told(sent, requested),
        "refused": states.get("refused", 0),
        "parked": states.get("parked", 0),
        "under_way": requested - ended,
        **{kind: told(min(responses.get(kind, 0), sent), sent) for kind in KINDS},
    }
