"""What answers cost to wait for: reads of one person, previews over all, memberships under load."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from bench.figures import latency, play
from bench.load import Outcome, request
from bench.measure import Figure, until_handled
from bench.segmenting import definitions
from cdp import times
from tests.support.platform import Platform, running

EVENTS = 1_000  # of the one person who is read
READS = 2_000
PEOPLE = 1_000_000  # that a preview is of
SEGMENTS, RATE = 100, 3_000
BATCH = 100
PREVIEWS = 5
WHERE = "count('Order Completed' where revenue > 50, 90d) >= 1"
_SQL = (
    "select count(*) from (select person from orders"
    " where revenue > 50 and happened > now() - interval 90 days group by person)"
)


def reading() -> list[Figure]:
    """Reads of one person's profile, reasons and past, with many others beside."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as platform:
        platform.put("/segments/buyers", {"name": "Buyers", "where": WHERE})
        started = times.now()
        _collect(platform, _orders(20_000, EVENTS))
        middle = times.iso((started + times.now()) // 2)
        ada = "/api/v1/profiles/user_id:ada"
        floor = _gets(platform, "/health/live")
        asked = (
            ("profile read", ada, 5),
            ("explain", f"{ada}/segments/buyers/explain", 50),
            ("profile as of a moment", f"{ada}?as_of={middle}", 200),
        )
        return [
            _read_figure(what, _gets(platform, path, READS if most < 200 else 300), most, floor)
            for what, path, most in asked
        ]


def previewing(people: int = PEOPLE) -> list[Figure]:
    """A definition tried on so many people, beside the same question to DuckDB about all."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as platform:
        _collect(platform, _orders(people, 0))
        taken, found = [], {}
        for _ in range(PREVIEWS):
            begun = time.perf_counter()
            found = _preview(platform)
            taken.append(time.perf_counter() - begun)
        exact, peer = _duckdb(people)
    size = found["size"]
    worst = max(taken)
    return [
        Figure(
            f"preview over {people:,} profiles, the slowest of {PREVIEWS}",
            worst,
            "s",
            "< 5",
            worst < 5,
            f"DuckDB over a table of the same orders: {peer:.3f} s",
            worst / peer,
            notes={"estimated": size, "DuckDB counts": exact},
        )
    ]


def membership() -> list[Figure]:
    """From an event to its membership readable, at a steady load, with many segments active."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as platform:
        for number, line in enumerate(definitions(SEGMENTS - 1)):
            platform.put(f"/segments/s{number}", {"name": line, "where": line})
        platform.put("/segments/probed", {"name": "Probed", "where": {"event": "Probe"}})
        platform.wait_quiet(120)
        found = latency(platform, RATE)
        found.what = f"membership readable, {RATE:,} events/s, {SEGMENTS} segments, p99"
        return [found]


def _read_figure(what: str, outcome: Outcome, most: float, floor: Outcome) -> Figure:
    p99, beside = outcome.quantile(0.99) * 1000, floor.quantile(0.99) * 1000
    return Figure(
        f"{what}, a person with {EVENTS:,} events, p99",
        p99,
        "ms",
        f"< {most}",
        p99 < most,
        f"the same server answering a constant: {beside:.1f}",
        p99 / beside,
        {"p50 ms": round(outcome.quantile(0.5) * 1000, 2), "reads": len(outcome.latencies)},
    )


def _gets(platform: Platform, path: str, count: int = READS) -> Outcome:
    head = f"GET {path} HTTP/1.1\r\nHost: bench\r\n"
    head += f"Authorization: Bearer {platform.keys['api_key']}\r\n\r\n"
    play(platform, iter([head.encode()] * 50), connections=1)
    return play(platform, iter([head.encode()] * count), connections=1)


def _orders(people: int, of_ada: int) -> Iterator[dict[str, Any]]:
    """One order of everybody, of seeded worth, and so many by ada."""
    for number, revenue in enumerate(_revenues(people)):
        yield _order(f"u{number}", revenue)
    for number in range(of_ada):
        yield _order("ada", float(number))


def _revenues(people: int) -> Iterator[float]:
    chance = random.Random(11)
    return (round(chance.expovariate(1 / 50), 2) for _ in range(people))


def _order(person: str, revenue: float) -> dict[str, Any]:
    properties = {"revenue": revenue, "currency": "EUR"}
    return {
        "type": "track",
        "userId": person,
        "event": "Order Completed",
        "properties": properties,
    }


def _collect(platform: Platform, messages: Iterator[dict[str, Any]]) -> None:
    key = platform.keys["write_key"]

    def bodies() -> Iterator[bytes]:
        while batch := list(itertools.islice(messages, BATCH)):
            body = json.dumps({"batch": batch}).encode()
            yield request("/v1/batch", body, host="bench", key=key)

    play(platform, bodies(), connections=8)
    until_handled(platform)
    platform.wait_quiet(120)


def _preview(platform: Platform) -> dict[str, Any]:
    answer = platform.client.post(
        "/api/v1/segments/preview",
        json={"where": WHERE},
        headers={"authorization": f"Bearer {platform.keys['api_key']}"},
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _duckdb(people: int) -> tuple[int, float]:
    with duckdb.connect() as connection:
        columns = "person integer, revenue double, happened timestamp"
        connection.execute(f"create table orders ({columns})")
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as rows:
            rows.writelines(f"{n},{revenue}\n" for n, revenue in enumerate(_revenues(people)))
            rows.flush()
            connection.execute(
                f"insert into orders select column0, column1, now() from read_csv('{rows.name}',"
                " header = false)"
            )
        begun = time.perf_counter()
        row = connection.execute(_SQL).fetchone()
        taken = time.perf_counter() - begun
    assert row is not None
    return int(row[0]), taken
