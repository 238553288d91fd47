"""Valkey loses everything, again and again: it holds only what can be rebuilt."""

from __future__ import annotations

import asyncio
import json
import statistics
import time

import redis

from tests.chaos.checker import Finding, check
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import World, world

TIMES = 20


async def cache(stage: Stage) -> Report:
    """Valkey is emptied twenty times, and once killed, while profiles are read."""
    async with world(stage.home, stage.dice) as made:
        load = made.load(people=100)
        sending = asyncio.create_task(load.run())
        await made.until_seen(load, 30)
        await asyncio.sleep(5)
        load.stop()
        await sending
        await made.quiet()
        wrong = await asyncio.to_thread(_read_meanwhile, made, [f"u{n}" for n in range(100)])
        findings = await asyncio.to_thread(lambda: list(check(made, [load])))
    read = Finding("every read meanwhile was right", f"{wrong} were not" if wrong else "")
    return Report([*findings, read], made.notes)


def _read_meanwhile(made: World, users: list[str]) -> int:
    """How many reads differ from what they said at first."""
    urls = json.loads((made.platform.home / "data/services.json").read_text())
    valkey = redis.Redis.from_url(urls["redis"])
    first = {user: made.platform.profile(f"user_id:{user}") for user in users}
    wrong = 0
    took: dict[str, list[float]] = {"emptied": [], "warm": []}
    for number in range(TIMES):
        if number == TIMES // 2:
            made.running("valkey")[0].kill()
        else:
            _emptied(valkey)
        for seconds in took.values():
            for user in users:
                started = time.perf_counter()
                wrong += made.platform.profile(f"user_id:{user}") != first[user]
                seconds.append(time.perf_counter() - started)
    warm, emptied = (statistics.median(took[state]) * 1000 for state in ("warm", "emptied"))
    made.note(f"a read takes {warm:.1f} ms, of an empty cache {emptied:.1f} ms")
    return wrong


def _emptied(valkey: redis.Redis) -> None:
    """However long it takes to come back."""
    while True:
        try:
            valkey.flushall()
        except redis.ConnectionError:
            time.sleep(0.1)
        else:
            return
