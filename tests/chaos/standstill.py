"""SIGSTOP, half a minute, SIGCONT: the one who comes back finds that it is not needed any more."""

from __future__ import annotations

import asyncio
import time

from tests.chaos.checker import check
from tests.chaos.load import Load
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import World, stopped, world

SECONDS = 30
_JOINING = 8  # seconds until both workers have their share
TWO = {"CDP_WORKERS": "2"}


async def standstill(stage: Stage) -> Report:
    """Worker, scheduler and PostgreSQL stand still for 30 s each, over the log in PostgreSQL."""
    async with world(stage.home, stage.dice, **TWO) as made:
        made.extras.start("scheduler")
        return await _through(made, "cdp worker", "cdp scheduler", "postgres")


async def standstill_on_kafka(stage: Stage) -> Report:
    """Worker, relay and Kafka stand still for 30 s each."""
    async with world(stage.home, stage.dice, with_kafka=True, **TWO) as made:
        made.extras.start("relay")
        return await _through(made, "cdp worker", "cdp relay", "kafka")


async def _through(made: World, *kinds: str) -> Report:
    load = made.load()
    sending = asyncio.create_task(load.run())
    try:
        await made.until_seen(load, 30)
        await asyncio.sleep(_JOINING)
        for kind in kinds:
            await _still(made, load, kind)
    finally:
        load.stop()
    await sending
    made.note(f"answers: {dict(load.answers)}")
    await made.quiet()
    return Report(await asyncio.to_thread(lambda: list(check(made, [load]))), made.notes)


async def _still(made: World, load: Load, kind: str) -> None:
    """Of several of a kind the first stands still, and the others take over before it is back."""
    found = made.running(kind)
    alone = kind in {"postgres", "kafka"}
    with stopped(found if alone else found[:1]):
        started = time.monotonic()
        if not alone:
            seen = await made.until_seen(load, SECONDS)
            made.note(f"{kind} stands still: what is sent then is seen after {seen:.1f} s")
        await asyncio.sleep(max(0.0, SECONDS - (time.monotonic() - started)))
    made.note(f"{kind} goes on: seen after {await made.until_seen(load, 90):.1f} s")
