"""The figures themselves, one function each."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator

import httpx
import msgspec
import psutil
import uvloop

from bench.load import Outcome, fire, request
from bench.measure import Figure, accounted, database, until_handled
from bench.shop import batches, messages
from tests.support.platform import Platform

BATCH = 100
PEOPLE = 20_000
SEGMENTS = {
    "big-spenders": {
        "event": "Order Completed",
        "where": [{"property": "revenue", "gt": 50}],
        "within": "7d",
    },
    "browsers": {"event": "Product Viewed", "count": {"gte": 3}, "within": "2d"},
    "germans": {"trait": "country", "eq": "DE"},
    "probed": {"event": "Probe"},
}


def define_segments(platform: Platform) -> None:
    """What is evaluated while we measure."""
    for key, where in SEGMENTS.items():
        platform.put(f"/segments/{key}", {"name": key, "where": where})
    platform.wait_quiet()


_RUNS = itertools.count()  # message ids differ from run to run


def bodies(platform: Platform, events: int, people: int = PEOPLE) -> list[bytes]:
    """Prepared requests of a batch each."""
    key = platform.keys["write_key"]
    stream = itertools.islice(batches(people, BATCH, start=f"{next(_RUNS)}-"), events // BATCH)
    return [request("/v1/batch", body, host="bench", key=key) for body in stream]


def fill(platform: Platform, events: int) -> None:
    """Store so many events, of ten times as many people."""
    step = min(events, 100_000)
    for _ in range(0, events, step):
        play(platform, iter(bodies(platform, step, people=10 * PEOPLE)), connections=8)
        until_handled(platform)


def play(
    platform: Platform, requests: Iterator[bytes], *, connections: int, rate: float = 0.0
) -> Outcome:
    """Send them; every answer must be a 200."""
    outcome = uvloop.run(
        fire("127.0.0.1", platform.port, requests, connections=connections, rate=rate)
    )
    assert set(outcome.statuses) == {200}, outcome.statuses
    return outcome


def ingest(platform: Platform, events: int = 150_000) -> Figure:
    """Durable ingest in batches of 100, beside COPY of the rows that it stored."""
    requests = bodies(platform, events)
    with accounted(platform, events) as spent:
        outcome = play(platform, iter(requests), connections=8)
    rate = events / outcome.seconds
    until_handled(platform)
    floor = _copy_rate(platform, events)
    return Figure(
        "durable ingest, /v1/batch of 100",
        rate,
        "events/s",
        "≥ 10,000",
        rate >= 10_000,
        f"COPY of the same rows: {floor:,.0f} rows/s",
        rate / floor,
        {"p50 ms": _ms(outcome, 0.5), "p99 ms": _ms(outcome, 0.99), "cpu us/event": spent},
    )


def _copy_rate(platform: Platform, events: int) -> float:
    with database(platform) as connection:
        connection.execute("drop table if exists bench_floor")
        connection.execute("create table bench_floor (like events)")
        with connection.cursor().copy(
            f"copy (select * from events order by received_at desc limit {events})"
            " to stdout (format binary)"
        ) as copy:
            rows = [bytes(block) for block in copy]
        started = time.perf_counter()
        with connection.cursor().copy("copy bench_floor from stdin (format binary)") as copy:
            for block in rows:
                copy.write(block)
        seconds = time.perf_counter() - started
        connection.execute("drop table bench_floor")
    return events / seconds


def single(platform: Platform, count: int = 30_000) -> Figure:
    """Single-event requests on 32 connections, beside the same server answering a constant."""
    key = platform.keys["write_key"]
    requests = [
        request(f"/v1/{message['type']}", msgspec.json.encode(message), host="bench", key=key)
        for message in itertools.islice(messages(PEOPLE, start=f"{next(_RUNS)}-"), count)
    ]
    with accounted(platform, count) as spent:
        outcome = play(platform, iter(requests), connections=32)
    until_handled(platform)
    constant = b"GET /health/live HTTP/1.1\r\nHost: bench\r\n\r\n"
    floor = play(platform, iter([constant] * count), connections=32)
    rate, floor_rate = count / outcome.seconds, count / floor.seconds
    return Figure(
        "single-event requests, 32 connections",
        rate,
        "requests/s",
        "≥ 2,500",
        rate >= 2_500,
        f"the same server answering a constant: {floor_rate:,.0f} requests/s",
        rate / floor_rate,
        {"p50 ms": _ms(outcome, 0.5), "p99 ms": _ms(outcome, 0.99), "cpu us/request": spent},
    )


def sustained(platform: Platform, events: int = 200_000) -> Figure:
    """From the first request to the last membership readable, as fast as it goes."""
    requests = bodies(platform, events)
    with accounted(platform, events) as spent:
        started = time.perf_counter()
        outcome = play(platform, iter(requests), connections=4)
        rate = events / (until_handled(platform) - started)
    return Figure(
        "end to end, sustained",
        rate,
        "events/s",
        "≥ 5,000",
        rate >= 5_000,
        notes={"ingested at": round(events / outcome.seconds), "cpu us/event": spent},
    )


def latency(platform: Platform, rate: int = 3_500, seconds: int = 30) -> Figure:
    """From HTTP to membership readable, by probes through the API, while a load goes on."""
    requests = bodies(platform, rate * seconds)
    delays: list[float] = []

    async def both() -> Outcome:
        load = asyncio.create_task(
            fire("127.0.0.1", platform.port, iter(requests), connections=8, rate=rate / BATCH)
        )
        await _probe(platform, load, delays)
        return await load

    outcome = uvloop.run(both())
    delays.sort()
    p99 = delays[int(0.99 * len(delays))]
    return Figure(
        f"end to end at {rate:,} events/s, p99",
        p99 * 1000,
        "ms",
        "< 1,000",
        p99 < 1.0,
        notes={
            "p50 ms": round(delays[len(delays) // 2] * 1000),
            "probes": len(delays),
            "request p99 ms": _ms(outcome, 0.99),
            "offered": rate,
        },
    )


async def _probe(platform: Platform, load: asyncio.Task[Outcome], delays: list[float]) -> None:
    """Ten people a second enter a segment; each is looked at until the API shows it."""
    key = {"x-write-key": platform.keys["write_key"]}
    bearer = {"authorization": f"Bearer {platform.keys['api_key']}"}

    async def one(client: httpx.AsyncClient, name: str) -> None:
        started = time.perf_counter()
        call = {"userId": name, "event": "Probe"}
        (await client.post("/v1/track", json=call, headers=key)).raise_for_status()
        while True:
            answer = await client.get(f"/api/v1/profiles/user_id:{name}", headers=bearer)
            if answer.status_code == 200 and "probed" in answer.json()["segments"]:
                delays.append(time.perf_counter() - started)
                return
            await asyncio.sleep(0.02)

    async with httpx.AsyncClient(base_url=platform.url, timeout=30, trust_env=False) as client:
        tasks = []
        for number in itertools.count():
            if load.done():
                break
            tasks.append(asyncio.create_task(one(client, f"probe-{time.time_ns()}-{number}")))
            await asyncio.sleep(0.1)
        await asyncio.gather(*tasks)


def idle(platform: Platform, seconds: float = 20.0) -> list[Figure]:
    """What all processes use when nothing happens."""
    platform.wait_quiet()
    time.sleep(2)
    with accounted(platform) as spent:
        time.sleep(seconds)
    share = sum(spent.values()) / 1e6 / seconds
    processes = [*platform.processes(), psutil.Process(platform.pid)]
    every = [each.memory_full_info() for each in processes]
    megabytes = sum(each.pss for each in every) / 1e6
    each_alone = sum(each.rss for each in every) / 1e6
    core = Figure("idle, share of a core", share * 100, "%", "< 5", share < 0.05)
    memory = Figure(
        "idle, memory of all processes, what they share counted once",
        megabytes,
        "MB",
        "< 700",
        megabytes < 700,
        f"shared pages counted in each: {each_alone:,.0f} MB",
    )
    return [core, memory]


def _ms(outcome: Outcome, quantile: float) -> float:
    return round(outcome.quantile(quantile) * 1000, 1)
