"""One subject sends half of all events, one person has 10,000 identifiers: nobody else feels it."""

from __future__ import annotations

import asyncio
import statistics
import time

import httpx

from tests.chaos.checker import Finding, check
from tests.chaos.load import Load
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import World, world

IDENTIFIERS = 10_000
SECONDS = 30
_HALF = {"batch": 50, "senders": 1, "pause": 0.1}  # up to 500 events a second
_POLL = 0.005


async def hot(stage: Stage) -> Report:
    """How long others' events take to show, p99, beside an even load and beside a hot one."""
    async with world(stage.home, stage.dice) as made:
        giant = made.load(prefix="giant", people=1, senders=1, batch=1, pause=0.5)
        await _giant(made, giant)
        await made.quiet()
        even = [made.load(**_HALF), made.load(prefix="v", **_HALF)]
        hot_one = [made.load(prefix="w", **_HALF), made.load(prefix="hot", people=1, **_HALF)]
        before = await _beside(made, even, "even")
        after = await _beside(made, [*hot_one, giant], "hot")
        await made.quiet()
        loads = [*even, *hot_one, giant]
        findings = await asyncio.to_thread(lambda: list(check(made, loads)))
    ratio = after / before
    fair = Finding(
        f"others' p99: {before * 1000:.0f} ms beside an even load, {after * 1000:.0f} ms beside a "
        f"hot one: {ratio:.2f} times",
        "" if ratio <= 2 else "more than twice",
    )
    return Report([fair, *findings], made.notes)


async def _giant(made: World, load: Load) -> None:
    """`giant0` becomes somebody with ten thousand devices."""
    for start in range(0, IDENTIFIERS, 500):
        await load.say(["giant0"] * 500, [f"device {n}" for n in range(start, start + 500)])


async def _beside(made: World, loads: list[Load], name: str) -> float:
    """Seconds until an event shows in its profile, the 99th percentile, beside these loads."""
    sending = [asyncio.create_task(load.run()) for load in loads]
    probes = loads[0]
    took: list[float] = []
    ends = time.monotonic() + SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=25) as client:
        while time.monotonic() < ends:
            took.append(await _shows(made, probes, client, f"{name} probe {len(took)}"))
    for load in loads:
        load.stop()
    await asyncio.gather(*sending)
    return statistics.quantiles(took, n=100)[-1]


async def _shows(made: World, load: Load, client: httpx.AsyncClient, user: str) -> float:
    headers = {"authorization": f"Bearer {made.platform.keys['api_key']}"}
    url = f"{made.platform.url}/api/v1/profiles/user_id:{user}"
    started = time.monotonic()
    await load.say([user])
    while (await client.get(url, headers=headers)).status_code != 200:
        await asyncio.sleep(_POLL)
    return time.monotonic() - started
