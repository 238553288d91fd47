"""What segments cost: many of them beside few, a new one over history, exits that are due at once.

On this process's own agents and the embedded PostgreSQL; counted is processor time of both, as for
the gates, but where the clock says otherwise.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import structlog

from bench.gates import bodies, handled, spent
from bench.measure import Figure
from cdp import times
from cdp.db import named
from cdp.processes import tune
from tests.support.instances import Api, api_on, instance_on
from tests.support.stores import Stores, started

EVENTS, WARM, BATCH, TURNS = 10_000, 5_000, 100, 3
FEW, MANY = 10, 100
DUE = 10_000  # people whose membership ends within one second
HISTORY = 50_000  # events that a new segment is counted over
_SHAPES = (
    "count('Product Viewed' where price > {n}, 7d) >= 3",
    "trait.country in ('DE', 'AT') and count('Order Completed', {n}d) >= 1",
    "sum(revenue of 'Order Completed', 30d) > {n}",
    "distinct(category of 'Product Viewed', {n}h) >= 2",
    "count('Product Viewed' where brand = 'Acme', {n}h, same product_id) >= 2",
    "days('page', 30d) >= {n}",
    "since_last('Order Completed') > {n}d",
    "sequence('Product Viewed' then no 'Order Completed' for {n}h, 7d) >= 2",
    "sequence('page' where path = '/basket' then 'Order Completed' within {n}m) >= 1",
    "first_seen within {n}d and not count('Order Completed') >= 1",
)
_LATE = named("select max(at) from changes where not entered and segment = 'passing'")
_LEFT = named("select count(*) from changes where not entered and segment = 'passing'")


def segmenting() -> list[Figure]:
    """All figures, on servers of their own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as home, started(Path(home)) as stores:
        return [
            _many(stores, Path(home)),
            asyncio.run(_backfill(stores, Path(home))),
            asyncio.run(_exits(stores, Path(home))),
        ]


def definitions(number: int) -> list[str]:
    """So many segments, of every shape in turn; no two ask for the same counters."""
    rounds = (each.format(n=n) for n in itertools.count(2) for each in _SHAPES)
    return list(itertools.islice(rounds, number))


def _many(stores: Stores, home: Path) -> Figure:
    server = psutil.Process(stores.postgres.pid)
    turns = [
        [asyncio.run(_turn(stores, home, server, number)) for number in (FEW, MANY)]
        for _ in range(TURNS)
    ]
    few, many = (statistics.median(turn[at] for turn in turns) for at in (0, 1))
    ratio = statistics.median(turn[1] / turn[0] for turn in turns)
    return Figure(
        f"an event with {MANY} segments",
        many,
        "us of processor time",
        f"≤ 3 x of {FEW}",
        ratio <= 3,
        f"with {FEW}: {few:,.0f}",
        ratio,
        notes={"turn by turn": [[round(each) for each in turn] for turn in turns]},
    )


async def _turn(stores: Stores, home: Path, server: psutil.Process, number: int) -> float:
    """Microseconds of processor time per event, from the request to the last membership."""
    data = Path(tempfile.mkdtemp(dir=home))
    async with instance_on(stores.fresh(), data) as instance, api_on(instance) as api:
        await _define(api, definitions(number))
        stream = bodies(stamped=False)
        await handled(api, itertools.islice(stream, WARM // BATCH))
        tune()
        before = spent(server)
        await handled(api, itertools.islice(stream, EVENTS // BATCH))
        return (spent(server) - before) / EVENTS * 1e6


async def _define(api: Api, lines: list[str]) -> None:
    for number, line in enumerate(lines):
        await api.put(f"/segments/s{number}", {"name": line, "where": line})
    await api.settle()


async def _backfill(stores: Stores, home: Path) -> Figure:
    """A segment that needs a new counter, over a history that is there."""
    data = Path(tempfile.mkdtemp(dir=home))
    server = psutil.Process(stores.postgres.pid)
    async with instance_on(stores.fresh(), data) as instance, api_on(instance) as api:
        await handled(api, itertools.islice(bodies(stamped=False), HISTORY // BATCH))
        await api.put("/segments/new", {"name": "New", "where": _SHAPES[2].format(n=100)})
        tune()
        before = spent(server)
        while (await api.get("/segments/new"))["state"] == "building":
            if not await instance.driver.jobs.builder.step():
                await api.settle()
        rate = HISTORY / (spent(server) - before)
        return Figure(
            "backfill of a new segment, evaluating everybody included",
            rate,
            "events for each second of one core",
            "≥ 20,000",
            rate >= 20_000,
            f"over {HISTORY:,} events",
        )


async def _exits(stores: Stores, home: Path) -> Figure:
    """Many memberships that end by time alone, within one second, looked at as they are due."""
    data = Path(tempfile.mkdtemp(dir=home))
    async with instance_on(stores.fresh(), data) as instance, api_on(instance) as api:
        await api.put("/segments/passing", {"name": "P", "where": "count('Viewed', 1d) >= 1"})
        await api.settle()
        ends = times.now() + 60 * times.SECOND
        for first in range(0, DUE, BATCH):
            batch = [_viewed(number, ends) for number in range(first, first + BATCH)]
            await api.send("/v1/batch", {"batch": batch})
        await api.settle()
        size: Any = (await api.get("/segments/passing"))["size"]
        assert size == DUE, size
        while times.now() < ends - times.SECOND:  # noqa: ASYNC110 - a clock tells nobody
            await asyncio.sleep(0.01)
        started_at, left = time.perf_counter(), 0
        while left < DUE:
            await instance.driver.jobs.fire_timers()
            for stage in instance.driver.stages:
                while await instance.driver.step(stage, 500):
                    pass
            ((left,),) = await instance.core.database.rows(_LEFT)
        taken = time.perf_counter() - started_at
        ((latest,),) = await instance.core.database.rows(_LATE)
        late = (latest - ends) / times.SECOND
    return Figure(
        f"exits by time, {DUE:,} due in one second: the last of them",
        late,
        "s late",
        "≤ 1",
        late <= 1,
        f"all of them in {taken:.1f} s on one core",
    )


def _viewed(number: int, ends: int) -> dict[str, Any]:
    at = ends - 86_400 * times.SECOND - number * times.SECOND // DUE
    return {"type": "track", "userId": f"u{number}", "event": "Viewed", "timestamp": times.iso(at)}
