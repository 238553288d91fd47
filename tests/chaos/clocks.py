"""Hosts whose clock is an hour off: windows, leases and keys go by the database's clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cdp.services.server import free_port
from tests.chaos.checker import Finding, check
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import World, world

SECONDS = 20
_LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
_WINDOW = 1800  # shorter than the clocks are off


async def clocks(stage: Stage) -> Report:
    """A collector, a worker and a scheduler an hour ahead, and others an hour behind."""
    if not _LIBRARY.exists():
        pytest.skip("no libfaketime on this machine")
    async with world(stage.home, stage.dice) as made:
        recent = {"event": "Tick", "within": f"{_WINDOW}s"}
        made.platform.put(
            "/segments/recent", {"name": "r", "purpose": "analytics", "where": recent}
        )
        ports = [_elsewhere(made, "+1h"), _elsewhere(made, "-1h")]
        urls = [made.platform.url, *(f"http://127.0.0.1:{port}" for port in ports)]
        load = made.load(urls=urls)
        live = made.load(urls=urls, prefix="live", live=True, people=30, batch=5)
        sending = [asyncio.create_task(each.run()) for each in (load, live)]
        await asyncio.sleep(SECONDS)
        for kind in ("cdp worker", "cdp scheduler"):  # those whose clock is right
            made.running(kind)[0].kill()
        await asyncio.sleep(SECONDS)
        for each in (load, live):
            each.stop()
        await asyncio.gather(*sending)
        made.note(f"answers: {dict(load.answers)}, live {dict(live.answers)}")
        await made.quiet()
        findings = await asyncio.to_thread(lambda: list(check(made, [load, live])))
        size = made.platform.call("GET", "/segments/recent").json()["size"]
    inside = Finding(f"the {live.people} who did it just now are in the window, and nobody else")
    wrong = "" if size == live.people else f"{size} are"
    return Report([*findings, inside._replace(problem=wrong)], made.notes)


def _elsewhere(made: World, off: str) -> int:
    """A host with a collector, a worker and a scheduler of its own."""
    port = free_port()
    fake = {"LD_PRELOAD": str(_LIBRARY), "FAKETIME": off, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    for command in ("api", "worker", "scheduler"):
        made.extras.start(command, CDP_PORT=str(port), **fake)
    return port
