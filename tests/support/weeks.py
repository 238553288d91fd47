"""People whose weeks are made up: who fills a cart mostly orders, who comes once mostly goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.support.people import ALLOWS

NOW = datetime.now(UTC)
HORIZON = 7  # days
WEEKS = 8


def did(name: str, event: str, days: float, **properties: Any) -> dict[str, Any]:
    """So many days ago."""
    return {
        "type": "track",
        "userId": name,
        "event": event,
        "timestamp": (NOW - timedelta(days)).isoformat(),
        "properties": properties,
        "context": ALLOWS,
    }


def life(name: str, number: int) -> Iterator[dict[str, Any]]:
    """Every week they look around; who fills a cart in it mostly orders in the next one."""
    luck = Random(number)
    filled = False
    for week in range(WEEKS, -1, -1):
        start = HORIZON * week
        yield did(name, "page", start + luck.uniform(-6.5, -0.5) if week else 0.2)
        if luck.random() < (0.85 if filled else 0.1) and week:
            yield did(name, "Order Completed", start - luck.uniform(0.5, 6.5), revenue=20)
        if luck.random() < 0.5 and week:  # too small to count
            yield did(name, "Order Completed", start - luck.uniform(0.5, 6.5), revenue=1)
        filled = luck.random() < 0.4
        if filled and week:
            yield did(name, "Product Added", start - luck.uniform(0.5, 6.5))


def stay(name: str, number: int) -> Iterator[dict[str, Any]]:
    """From some week on they come, until one week they come but once: then they mostly do not."""
    luck = Random(number)
    for week in range(luck.randint(2, WEEKS), -1, -1):
        visits = 1 if luck.random() < 0.3 else luck.randint(3, 5)
        for _ in range(visits):
            yield did(name, "page", HORIZON * week + luck.uniform(0.5, 6.5))
        if luck.random() < (0.85 if visits == 1 else 0.05):
            return
