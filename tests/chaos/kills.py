"""kill -9 of everything at random moments."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.chaos.checker import check
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import World, world

KILLS = 200
_VICTIMS = {
    "cdp api": 6,
    "cdp worker": 6,
    "cdp scheduler": 2,
    "cdp relay": 3,
    "postgres -D": 4,
    "valkey": 2,
    "kafka": 1,
}


async def kills(stage: Stage) -> Report:
    """At least 200 in one run, with two collectors, two workers and Kafka."""
    settings = {"CDP_WORKERS": "2", "CDP_APIS": "2"}
    async with world(stage.home, stage.dice, with_kafka=True, **settings) as made:
        load = made.load()
        sending = asyncio.create_task(load.run())
        killed = await _kill(made, sending)
        load.stop()
        async with asyncio.timeout(120):
            await sending
        made.note(f"{sum(killed.values())} kills: {dict(killed)}")
        made.note(f"answers: {dict(load.answers)}")
        await made.quiet()
        findings = await asyncio.to_thread(lambda: list(check(made, [load])))
    return Report(findings, made.notes)


async def _kill(made: World, sending: asyncio.Task[None]) -> Counter[str]:
    killed: Counter[str] = Counter()
    names, weights = list(_VICTIMS), list(_VICTIMS.values())
    while sum(killed.values()) < KILLS:
        await asyncio.sleep(made.dice.uniform(0.2, 1.4))
        assert not sending.done(), "the senders have ended"
        victim = made.dice.choices(names, weights)[0]
        found = made.running(victim)
        if not found:
            continue
        made.dice.choice(found if victim != "postgres -D" else found[:1]).kill()
        killed[victim] += 1
        if victim == "kafka":
            assert made.kafka is not None
            await asyncio.to_thread(made.kafka.start)
    return killed
