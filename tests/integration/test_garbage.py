"""Events leave no cycles behind: those are for the garbage collector, which stands in the way."""

from __future__ import annotations

import gc
from collections import Counter

from tests.conftest import Api

EVENTS = 200


async def test_events_are_handled_without_making_cycles(api: Api) -> None:
    """What only the collector can free would make it run, and every agent wait for it."""
    await api.put("/segments/buyers", {"name": "B", "where": {"event": "Order Completed"}})
    rich = "trait.country = 'DE' and count('Order Completed', 7d) >= 1"
    await api.put("/segments/rich", {"name": "R", "where": rich, "purpose": "personalization"})

    async def collect(name: str) -> None:
        for number in range(EVENTS // 10):
            context = {"consent": {"categoryPreferences": {"personalization": bool(number % 3)}}}
            call = {"userId": f"u{number % 40}", "anonymousId": f"a{number}", "context": context}
            batch = [
                call | {"type": "track", "event": name, "messageId": f"{name}-{number}-{each}"}
                for each in range(10)
            ]
            await api.send("/v1/batch", {"batch": batch})

    await collect("Order Completed")
    await api.settle()
    await collect("Viewed")
    gc.collect()
    gc.disable()
    try:
        gc.set_debug(gc.DEBUG_SAVEALL)
        await api.settle()
        gc.collect()
        found = Counter(type(each).__qualname__ for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert sum(found.values()) < EVENTS / 10, found.most_common(5)
