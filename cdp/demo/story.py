"""What the demo plays, and what it asks of it.

Of the datasets that may be shipped, Retentioneering's shop shows the most: its visitors come back
in session after session and only some sign in, so there is somebody to recognise. Complete Journey
knows every household from its first line on, and has nobody to merge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parent / "shop.csv.gz"
MAP = "retentioneering"
ABOUT = "a synthetic shop's half year (Retentioneering, Apache-2.0)"


class Segment(NamedTuple):
    """A segment to define."""

    key: str
    name: str
    where: dict[str, Any]


class Destination(NamedTuple):
    """Somewhere to tell who enters and leaves, and what people must have agreed to."""

    key: str
    purpose: str
    segments: tuple[str, ...]


def _none(event: str, within: str) -> dict[str, Any]:
    return {"event": event, "within": within, "count": {"eq": 0}}


CARTS = "abandoned-carts"
SEGMENTS = (
    Segment(
        CARTS,
        "Filled a cart, ordered nothing, in 30 days",
        {"all": [{"event": "Product Added", "within": "30d"}, _none("Order Completed", "30d")]},
    ),
    Segment(
        "payment-trouble",
        "A payment failed, and no order, in 45 days",
        {"all": [{"event": "Payment Failed", "within": "45d"}, _none("Order Completed", "45d")]},
    ),
    Segment(
        "regulars",
        "Ordered twice or more in 180 days",
        {"event": "Order Completed", "within": "180d", "count": {"gte": 2}},
    ),
    Segment(
        "lapsed",
        "Ordered once, and not in 60 days",
        {"all": [{"event": "Order Completed"}, _none("Order Completed", "60d")]},
    ),
    Segment(
        "window-shoppers",
        "Saw 5 products or more in 14 days, never filled a cart",
        {
            "all": [
                {"event": "Product Viewed", "within": "14d", "count": {"gte": 5}},
                {"event": "Product Added", "count": {"eq": 0}},
            ]
        },
    ),
)
# There is no word for always; a trait that nobody has will do.
EVERYONE = Segment("everyone", "Everyone", {"not": {"trait": "not a trait", "exists": True}})

DESTINATIONS = (
    Destination("shop", "personalization", (CARTS, "payment-trouble")),
    Destination("newsletter", "marketing_email", ("lapsed",)),
)
