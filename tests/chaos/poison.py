"""A bug in one agent: what it fails on is parked, the rest goes on, and a fix mends it all."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos.checker import Finding, check
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import World, world

_BUG = """
import sys

if sys.orig_argv[-1] == "worker":
    from cdp.log.keyring import opened
    from cdp.pipeline import Pipeline

    healthy = Pipeline.on_events

    async def buggy(self, unit, records):
        boxes = await self.keyring.load(unit.connection, {record.key for record in records})
        for _, event in opened(records, boxes):
            if event.user_id.startswith("poison"):
                raise ZeroDivisionError
        await healthy(self, unit, records)

    Pipeline.on_events = buggy
"""
_SECONDS = 15


async def poison(stage: Stage) -> Report:
    """The worker has a bug that some people's events run into; then it is mended."""
    bugs = stage.home.parent / "bugs"
    bugs.mkdir()
    (bugs / "sitecustomize.py").write_text(_BUG)
    async with world(stage.home, stage.dice, PYTHONPATH=str(bugs)) as made:
        good = made.load()
        bad = made.load(prefix="poison", people=5, senders=1, batch=2, pause=0.5)
        sending = [asyncio.create_task(load.run()) for load in (good, bad)]
        await asyncio.sleep(_SECONDS)
        for load in (good, bad):
            load.stop()
        await asyncio.gather(*sending)
        await made.quiet()
        parked = made.platform.status()["parked"]
        proceeded = await asyncio.to_thread(
            _seen, made, [message.user for message in good.messages]
        )
        await asyncio.to_thread(_mend, made, bugs)
        made.note(made.platform.command("parked", "retry").strip())
        await made.quiet()
        findings = await asyncio.to_thread(lambda: list(check(made, [good, bad])))
    poisoned = len(bad.messages)
    only = Finding(
        f"{poisoned} records are parked while the bug is there",
        "" if parked == poisoned else f"{parked} were",
    )
    others = Finding("the others are not held up", f"{proceeded} not seen" if proceeded else "")
    return Report([only, others, *findings], made.notes)


def _seen(made: World, users: list[str]) -> int:
    """How many people show fewer events than they sent."""
    counts = {user: users.count(user) for user in set(users)}
    shown = {u: made.platform.profile(f"user_id:{u}").get("events", {}).get("Tick") for u in counts}
    return sum(shown[user] != count for user, count in counts.items())


def _mend(made: World, bugs: Path) -> None:
    made.platform.stop()
    (bugs / "sitecustomize.py").unlink()
    made.platform.start()
