"""What the others notice of a destination that hangs: from an event to its webhook, beside without.

The one that hangs takes every request and never answers it; in the turn without, it answers at
once. It is told of the same people as the other, so half of all deliveries are to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from bench.arrivals import Arrivals, percentile
from bench.measure import Figure
from tests.support.platform import Platform
from tests.support.receiver import Receiver, receiving

RATE, SECONDS = 100, 60
_NEVER = 3600.0  # seconds: longer than anybody waits
_LAST_SECONDS = 60.0  # for what is under way at the end


def hanging(platform: Platform) -> Figure:
    """The 99th percentile with one that hangs, and without."""
    return asyncio.run(_compared(platform))


async def _compared(platform: Platform) -> Figure:
    api = {"authorization": f"Bearer {platform.keys['api_key']}"}
    both = {"kind": "webhook", "segments": ["told"], "timeout": 10}
    async with (
        _receiver() as (quick, arrived),
        receiving() as stuck,
        httpx.AsyncClient(base_url=platform.url, trust_env=False, timeout=30) as client,
    ):

        async def put(path: str, said: dict[str, object]) -> None:
            (await client.put(f"/api/v1{path}", json=said, headers=api)).raise_for_status()

        await put("/segments/told", {"name": "Told", "where": {"event": "Told"}})
        await put("/destinations/quick", both | {"url": quick.url})
        await put("/destinations/stuck", both | {"url": stuck.url})
        await _load(client, platform, arrived, "warm", SECONDS // 6)
        without = await _load(client, platform, arrived, "without", SECONDS)
        answered, stuck.delay = len(stuck.requests), _NEVER
        with_ = await _load(client, platform, arrived, "with", SECONDS)
        requests = len(stuck.requests) - answered
        await client.delete("/api/v1/destinations/stuck", headers=api)
    before, after = percentile(without, 0.99), percentile(with_, 0.99)
    return Figure(
        "an event to its webhook while another destination hangs, p99",
        after * 1000,
        "ms",
        "< 1.1 times that without",
        after < 1.1 * before,
        f"without: {before * 1000:.0f} ms",
        after / before,
        {
            "p50 ms without and with": [
                round(percentile(each, 0.5) * 1000) for each in (without, with_)
            ],
            "entries/s": RATE,
            "seconds each": SECONDS,
            "requests that hung": requests,
        },
    )


async def _load(
    client: httpx.AsyncClient,
    platform: Platform,
    arrived: Arrivals,
    turn: str,
    seconds: int,
) -> list[float]:
    """Seconds from each person's event to the webhook that tells of it."""
    key = {"x-write-key": platform.keys["write_key"]}
    begun: dict[str, float] = {}

    async def one(name: str) -> None:
        begun[name] = time.perf_counter()
        said = {"userId": name, "event": "Told"}
        (await client.post("/v1/track", json=said, headers=key)).raise_for_status()

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(RATE * seconds):
            await asyncio.sleep(max(0.0, started + number / RATE - time.perf_counter()))
            group.create_task(one(f"{turn}-{started:.0f}-{number}"))
    await arrived.until(begun, _LAST_SECONDS)
    return sorted(arrived.at[name] - at for name, at in begun.items())


@asynccontextmanager
async def _receiver() -> AsyncIterator[tuple[Receiver, Arrivals]]:
    async with receiving() as receiver:
        timed = Arrivals()
        receiver.requests = timed
        yield receiver, timed
