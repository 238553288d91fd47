"""How fast a replay goes on one core, beside opening and decoding the same payloads."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from bench.measure import Figure
from cdp import assembly, main
from cdp.db import Database, named
from cdp.instance import services
from cdp.log.store import Record
from cdp.processes import tune
from cdp.replay import until_quiet
from cdp.settings import Settings

_ALL = named('select "offset", subject, id, payload from events order by partition, "offset"')


def replay(data_dir: Path) -> Figure:
    """Over the log of a platform that runs; `verify` leaves its state alone."""
    tune()
    settings = Settings(data_dir=data_dir, jurisdiction="CA")
    with services(settings) as running:
        return asyncio.run(_replay(settings, running.database_url))


async def _replay(settings: Settings, url: str) -> Figure:
    from cdp.instance import Running

    running = Running(url, "redis://127.0.0.1:1/0")  # no cache is needed, and none is touched
    marks: dict[str, float] = {}

    def progress(what: str, done: int, of: int) -> None:
        marks[what] = time.perf_counter()

    async with main.replaying(settings, running, progress) as replaying:
        started, cpu = time.perf_counter(), time.process_time()
        comparisons = await until_quiet(replaying)
        wall = max(marks.values()) - started
        cpu = time.process_time() - cpu
        events = sum(replaying._positions.values())
    floor = await _floor(settings, running.database_url)
    rate = events / wall
    return Figure(
        "replay, one process",
        rate,
        "events/s",
        "≥ 20,000 per core",
        rate >= 20_000,
        f"open and decode the same payloads: {floor:,.0f} events/s",
        rate / floor,
        {
            "events": events,
            "equal": all(comparison.equal for comparison in comparisons),
            "cpu us/event of the process, digests too": round(cpu / events * 1e6, 1),
            "cores": os.cpu_count(),
        },
    )


async def _floor(settings: Settings, url: str) -> float:
    from cdp.instance import Running

    core = assembly.assemble(settings, Running(url, "redis://127.0.0.1:1/0"))
    database: Database = core.database
    async with database.transaction() as connection:
        records = [Record(*row) for row in await connection.execute(_ALL)]
        await core.keyring.load(connection, {record.key for record in records})
        started = time.perf_counter()
        for at in range(0, len(records), 10_000):
            await core.keyring.open_events(connection, records[at : at + 10_000])
        seconds = time.perf_counter() - started
    await core.close()
    return len(records) / seconds
