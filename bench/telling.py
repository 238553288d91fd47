"""From an event to the webhook that tells of its person's entry, at many entries a second."""

from __future__ import annotations

import asyncio

import msgspec
import uvloop

from bench.arrivals import Arrivals, percentile
from bench.load import fire, request
from bench.measure import Figure, accounted
from tests.support.platform import Platform
from tests.support.receiver import receiving

RATE, SECONDS, WARM_SECONDS = 500, 30, 10
CONNECTIONS = 16
_LAST_SECONDS = 120.0  # for what is under way at the end


def telling(platform: Platform) -> Figure:
    """The 50th and 99th percentile, from when each request was due to the webhook's arrival."""
    platform.put("/segments/entered", {"name": "Entered", "where": {"event": "Entered"}})
    try:
        return uvloop.run(_measured(platform))
    finally:
        platform.call("DELETE", "/destinations/told")


async def _measured(platform: Platform) -> Figure:
    async with receiving() as receiver:
        receiver.requests = arrivals = Arrivals()
        hook = {"kind": "webhook", "url": receiver.url, "segments": ["entered"]}
        await asyncio.to_thread(platform.put, "/destinations/told", hook)
        await asyncio.to_thread(platform.wait_quiet)
        await _load(platform, arrivals, "warm", WARM_SECONDS)
        with accounted(platform, RATE * SECONDS) as spent:
            taken, behind = await _load(platform, arrivals, "measured", SECONDS)
    p50, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
    return Figure(
        f"an event to its webhook at {RATE} entries/s, p99",
        p99 * 1000,
        "ms",
        "< 1,000, and p50 < 150",
        p99 < 1.0 and p50 < 0.15,
        f"p50: {p50 * 1000:.0f} ms",
        notes={
            "p90 ms": round(percentile(taken, 0.9) * 1000),
            "the load's own answers, p99 ms": round(behind * 1000, 1),
            "cpu us/entry": spent,
        },
    )


async def _load(
    platform: Platform, arrivals: Arrivals, turn: str, seconds: int
) -> tuple[list[float], float]:
    """Seconds of each, in order of length; and what the slowest hundredth of requests took."""
    names = [f"{turn}-{number}" for number in range(RATE * seconds)]
    key = platform.keys["write_key"]
    said = [
        request(
            "/v1/track",
            msgspec.json.encode({"userId": name, "event": "Entered"}),
            host="bench",
            key=key,
        )
        for name in names
    ]
    outcome = await fire("127.0.0.1", platform.port, iter(said), connections=CONNECTIONS, rate=RATE)
    assert set(outcome.statuses) == {200}, outcome.statuses
    await arrivals.until(names, _LAST_SECONDS)
    due = {name: outcome.started + number / RATE for number, name in enumerate(names)}
    return sorted(arrivals.at[name] - at for name, at in due.items()), outcome.quantile(0.99)
