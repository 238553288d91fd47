"""Faust agents over the real log: exactly once, shared, fenced, parked, loud when need be."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from cdp.db import named
from cdp.errors import CdpError, StoreUnavailable
from cdp.events import DELIVERIES, TOUCHED
from cdp.instance import Running
from cdp.log import store
from cdp.log.store import Record
from cdp.stream import checkpoints
from cdp.stream.broker import Chunk
from cdp.stream.stage import Handle, Unit
from tests.support.clusters import corner
from tests.support.noting import MOST, Log, log_on, note, working
from tests.support.stores import PARTITIONS


@pytest.fixture(params=["postgres", "kafka"])
async def log(request: pytest.FixtureRequest, running: Running) -> AsyncIterator[Log]:
    """The topic as our own tables carry it, and as Kafka does."""
    cluster = corner(request.getfixturevalue("kafka")) if request.param == "kafka" else None
    async with log_on(running, cluster) as made:
        yield made


async def test_every_record_is_handled_once(log: Log) -> None:
    await log.put(1000)
    async with working(log, note):
        await log.until_drained()
        await log.put(500, start=1000)
        await log.until_drained()
    assert await log.seen() == Counter(range(1500))


async def test_an_agent_is_handed_no_more_than_twice_what_it_likes(log: Log) -> None:
    sizes: list[int] = []

    async def handle(unit: Unit, records: Sequence[Record]) -> None:
        sizes.append(len(records))
        await note(unit, records)

    await log.put(1000)
    async with working(log, handle):
        await log.until_drained()
    assert sum(sizes) == 1000
    assert MOST <= max(sizes) <= 2 * MOST


async def test_a_worker_that_joins_takes_its_share_and_leaves_it_again(log: Log) -> None:
    handled: Counter[str] = Counter()

    def worker(name: str) -> Handle:
        async def handle(unit: Unit, records: Sequence[Record]) -> None:
            handled[name] += len(records)
            await note(unit, records)

        return handle

    stops = [asyncio.Event(), asyncio.Event()]
    await log.put(500)
    first = asyncio.create_task(log.agents(worker("first")).run(stops[0]))
    await log.until_drained()
    second = asyncio.create_task(log.agents(worker("second")).run(stops[1]))
    start = 500
    async with asyncio.timeout(20):
        while not handled["second"]:
            await log.put(100, start=start)
            start += 100
            await asyncio.sleep(0.1)
    stops[0].set()
    await first
    await log.put(500, start=start)
    await log.until_drained()
    stops[1].set()
    await second
    assert await log.seen() == Counter(range(start + 500))


async def test_transient_failures_are_tried_again(log: Log) -> None:
    failures = iter([StoreUnavailable("deadlock"), StoreUnavailable("gone")])

    async def shaky(unit: Unit, records: Sequence[Record]) -> None:
        await note(unit, records)
        for error in failures:
            raise error

    await log.put(10)
    await run_once(log, shaky)
    assert await log.seen() == Counter(range(10))


async def run_once(log: Log, handle: Handle) -> None:
    """Hand over everything there is as one chunk."""
    everything = dict.fromkeys(range(PARTITIONS), 0)
    async with log.database.transaction() as connection:
        parts = await store.read(connection, TOUCHED, everything, 10_000)
    await log.stage(handle).run(Chunk(TOUCHED, parts))


async def test_a_poison_record_is_parked_and_its_neighbours_go_through(log: Log) -> None:
    async def picky(unit: Unit, records: Sequence[Record]) -> None:
        await note(unit, records)
        if any(record.value == b"7" for record in records):
            raise ValueError("secret of record 7")

    await log.put(20)
    await run_once(log, picky)
    assert await log.seen() == Counter(n for n in range(20) if n != 7)
    rows = await log.database.rows(named("select topic, value, error from parked"))
    assert [(row[0], row[1]) for row in rows] == [(TOUCHED, b"7")]
    assert rows[0][2].startswith("ValueError in picky")
    assert "secret" not in rows[0][2]
    assert await log.lag() == 0


async def test_a_redelivered_chunk_is_a_no_op(log: Log) -> None:
    await log.put(20)
    everything = dict.fromkeys(range(PARTITIONS), 0)
    async with log.database.transaction() as connection:
        parts = await store.read(connection, TOUCHED, everything, 10_000)
    chunk, stage = Chunk(TOUCHED, parts), log.stage(note)
    await asyncio.gather(*(stage.run(chunk) for _ in range(4)))
    assert await log.seen() == Counter(range(20))
    await log.put(10, start=20)
    await log.stage(note).run(chunk)  # a worker that slept through all of it
    assert await log.lag() == 10


async def test_a_hole_in_what_is_handed_over_is_no_chunk_of_ours(log: Log) -> None:
    await log.put(20)
    everything = dict.fromkeys(range(PARTITIONS), 1)
    async with log.database.transaction() as connection:
        parts = await store.read(connection, TOUCHED, everything, 10_000)
    with pytest.raises(CdpError, match="expected offset 0, got 1"):
        await log.stage(note).run(Chunk(TOUCHED, parts))


async def test_what_is_wrong_with_the_database_ends_the_worker_loudly(log: Log) -> None:
    async def broken(unit: Unit, records: Sequence[Record]) -> None:
        await unit.connection.execute(named("select * from no_such_table"))

    await log.put(10)
    async with asyncio.timeout(20):
        with pytest.raises(Exception, match="no_such_table"):
            await log.agents(broken).run(asyncio.Event())
    assert await log.lag() == 10


async def test_what_follows_is_emitted_with_the_transaction_or_not_at_all(log: Log) -> None:
    async def forward(unit: Unit, records: Sequence[Record]) -> None:
        for record in records:
            unit.emit(DELIVERIES, record.key, record.value)
        if any(record.value == b"7" for record in records):
            raise ValueError

    await log.put(20)
    await run_once(log, forward)
    everything = dict.fromkeys(range(PARTITIONS), 0)
    async with log.database.transaction() as connection:
        parts = await store.read(connection, DELIVERIES, everything, 100)
    values = sorted(int(record.value) for records in parts.values() for record in records)
    assert values == [n for n in range(20) if n != 7]


async def test_the_outbox_is_trimmed_behind_its_consumers(log: Log) -> None:
    await log.put(50)
    await run_once(log, note)
    await log.put(5, start=50)
    async with log.database.transaction() as connection:
        assert await checkpoints.trim(connection) == 50
    async with working(log, note):
        await log.until_drained()
    assert await log.seen() == Counter(range(55))


async def test_bad_records_are_found_in_few_steps(log: Log) -> None:
    """By halves: a chunk of a thousand with two bad records is not a thousand transactions."""
    bad, steps = {b"17", b"903"}, 0

    async def picky(unit: Unit, records: Sequence[Record]) -> None:
        nonlocal steps
        steps += 1
        await note(unit, records)
        if any(record.value in bad for record in records):
            raise ValueError

    await log.put(1000)
    await run_once(log, picky)
    assert await log.seen() == Counter(n for n in range(1000) if n not in {17, 903})
    assert steps < 60
    rows = await log.database.rows(named("select value from parked"))
    assert {row[0] for row in rows} == bad
