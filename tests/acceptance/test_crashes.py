"""Crashes lose nothing: kill -9 at random moments of every part, under load with retries.

The checker knows what was sent and what was acknowledged; it looks at the outcome through the
public interface only.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.clusters import plain_url
from tests.support.platform import Platform, running

EVENTS = 25_000  # or more: the load outlasts the kills
PEOPLE = 400
BATCH = 100
SENDERS = 4
PACE = 0.35  # seconds between a sender's batches
KILLS = 24
VICTIMS = ("cdp api", "cdp worker", "cdp scheduler", "postgres -D")
TRANSIENT = {408, 429, 500, 502, 503, 504}


@pytest.fixture(params=["postgres", "kafka"])
def carrier(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings by which the log reaches the agents."""
    if request.param == "postgres":
        return {}
    return {"CDP_KAFKA_URL": plain_url(request.getfixturevalue("kafka")), "CDP_WORKERS": "2"}


class Load:
    """Sends each event until it is acknowledged, as an SDK would, and goes on until told to end."""

    def __init__(self, platform: Platform, seed: int) -> None:
        self.platform = platform
        self.sent: Counter[str] = Counter()
        self.attempts = 0
        self.may_end = asyncio.Event()
        self._seed = seed
        self._numbers = itertools.count()

    def _batch(self) -> list[dict[str, Any]]:
        batch, number = [], next(self._numbers)
        for position in range(BATCH):
            user = f"u{(number * BATCH + position) * 7919 % PEOPLE}"
            self.sent[user] += 1
            call = {"type": "track", "event": "Tick", "userId": user}
            call |= {"anonymousId": f"d-{user}", "messageId": f"{self._seed}-{number}-{position}"}
            batch.append(call)
        return batch

    async def run(self) -> None:
        headers = {"x-write-key": self.platform.keys["write_key"]}
        async with httpx.AsyncClient(
            base_url=self.platform.url, headers=headers, timeout=20, trust_env=False
        ) as client:
            await asyncio.gather(*(self._sender(client) for _ in range(SENDERS)))

    async def _sender(self, client: httpx.AsyncClient) -> None:
        while not self.may_end.is_set() or self.sent.total() < EVENTS:
            batch = self._batch()
            while not await self._acknowledged(client, batch):
                await asyncio.sleep(0.1)
            await asyncio.sleep(PACE)

    async def _acknowledged(self, client: httpx.AsyncClient, batch: list[Any]) -> bool:
        self.attempts += 1
        try:
            answer = await client.post("/v1/batch", json={"batch": batch})
        except httpx.TransportError:
            return False
        assert answer.status_code == 200 or answer.status_code in TRANSIENT, answer.text
        return answer.status_code == 200


async def kill_at_random(
    platform: Platform, rng: random.Random, victims: Sequence[str]
) -> Counter[str]:
    """End parts without warning, until there were enough kills; the load goes on meanwhile."""
    killed: Counter[str] = Counter()
    while sum(killed.values()) < KILLS:
        await asyncio.sleep(rng.uniform(0.2, 1.6))
        victim = victims[len(killed)] if len(killed) < len(victims) else rng.choice(victims)
        assert platform.alive(), platform.log()
        found = platform.processes(victim)
        if found:
            found[0].kill()
            killed[victim] += 1
    return killed


async def test_kill_dash_nine_at_random_moments_loses_and_doubles_nothing(
    tmp_path: Path, carrier: dict[str, str]
) -> None:
    victims = (*VICTIMS, "cdp relay") if carrier else VICTIMS
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    with running(tmp_path, **carrier) as platform:
        load = Load(platform, seed)
        buyers = {"event": "Tick", "count": {"gte": EVENTS // PEOPLE}, "within": "1d"}
        platform.put("/segments/busy", {"name": "Busy", "where": buyers})
        sending = asyncio.create_task(load.run())
        async with asyncio.timeout(300):
            killed = await kill_at_random(platform, random.Random(seed), victims)
            assert not sending.done(), "the last kills hit an idle platform"
            load.may_end.set()
            await sending
        assert len(killed) == len(victims), killed
        await asyncio.to_thread(platform.wait_quiet, 240)
        status = platform.status()
        assert (status["events"], status["parked"]) == (load.sent.total(), 0)
        counts = Counter({u: platform.profile(f"user_id:{u}")["events"]["Tick"] for u in load.sent})
        assert counts == load.sent
        size = platform.call("GET", "/segments/busy").json()["size"]
        assert size == sum(1 for count in load.sent.values() if count >= EVENTS // PEOPLE)
        assert "DIFFERS" not in platform.command("replay", "--verify")
