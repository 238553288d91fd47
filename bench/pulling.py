"""How fast an audience is pulled as lines over HTTP, beside reading its rows from the table."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg

from bench.measure import Figure, accounted, database, services
from cdp import keyset
from cdp.db import Database
from cdp.instance import master_keys
from cdp.log.vault import Vault
from cdp.pulling import PAGE, Pulling
from cdp.settings import Settings
from profiles import fragment
from profiles.fragment import Fragment, Tally
from tests.support.platform import Platform, command_line, running

MEMBERS = 1_000_000
AT = 1_768_469_400_000_000
WANTED = 50_000  # members a second
_MEGABYTE = 1 << 20
_FLOOR = (
    "copy (select profile, since from memberships where segment = {}) to stdout (format binary)"
)


class Pulled(NamedTuple):
    """What one pull came to; memory of the API process in MB."""

    seconds: float
    lines: int
    size: int  # bytes
    before: float
    peak: float
    after: float
    spent: dict[str, float]  # microseconds of processor time per member, by kind of process


def pulling(members: int = MEMBERS) -> list[Figure]:
    """Of so many people with three identifiers each; with these, and without."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as platform:
        where = {"event": "Order Completed"}
        platform.put("/segments/buyers", {"name": "Buyers", "where": where})
        platform.wait_quiet(60)
        with database(platform) as connection:
            vault = keyset.opened(
                services(platform)["database"], master_keys(Settings(data_dir=Path(home) / "data"))
            )
            segment = _fill(connection, vault, members)
            floor = _floor(connection, segment, members)
        sealed = members / asyncio.run(_sealed(services(platform)["database"], vault, segment))
        _pull(platform, "include=none", members)
        return [
            _figure(
                f"{members:,} members as NDJSON, profile ids alone",
                _pull(platform, "include=none", members),
                floor,
                "COPY of the members' rows to nowhere",
            ),
            _figure(
                f"{members:,} members as NDJSON, with three identifiers each",
                _pull(platform, "include=identifiers", members),
                sealed,
                "reading the same rows, sealed, and doing nothing with them",
            ),
        ]


def _figure(what: str, pulled: Pulled, floor: float, of: str) -> Figure:
    rate = pulled.lines / pulled.seconds
    notes = {
        "MB of the API process before, peak, after": (
            round(pulled.before),
            round(pulled.peak),
            round(pulled.after),
        ),
        "µs of processor time per member": {k: round(v, 1) for k, v in pulled.spent.items()},
        "MB/s": round(pulled.size / pulled.seconds / _MEGABYTE, 1),
    }
    beside = f"{of}: {floor:,.0f}/s"
    met = rate >= WANTED
    return Figure(what, rate, "members/s", f"≥ {WANTED:,}", met, beside, rate / floor, notes)


def _fill(connection: psycopg.Connection[Any], vault: Vault, members: int) -> int:
    """People as the agents would have written them: an order each, and three identifiers."""
    row = connection.execute("select id from segments where key = 'buyers'").fetchone()
    assert row is not None
    segment = int(row[0])
    for first in range(0, members, 50_000):
        numbers = range(first, min(first + 50_000, members))
        people = [_person(vault, number) for number in numbers]
        _copy(connection, "subjects (id, key)", (each[:2] for each in people))
        fragments = ((each[0], number, each[2]) for number, each in enumerate(people))
        _copy(connection, "fragments (subject, tag, data)", fragments)
        nodes = (
            (node, namespace, AT, each[0], each[0], 0)
            for each in people
            for namespace, node in each[3]
        )
        _copy(connection, "nodes (id, namespace, first_seen, component, profile, flags)", nodes)
        _copy(connection, "profiles (id, version)", ((each[0], AT) for each in people))
        inside = ((segment, each[0], AT + n) for n, each in enumerate(people))
        _copy(connection, "memberships (segment, profile, since)", inside)
    connection.execute("vacuum analyze")
    return segment


def _person(vault: Vault, number: int) -> tuple[bytes, bytes, bytes, list[tuple[str, bytes]]]:
    named = {
        "anonymous_id": f"0b0e1f6a-7c1d-5d3e-9a53-{number:012d}",
        "email": f"person{number}@example.com",
        "user_id": f"u{number}",
    }
    subject = vault.subject("user_id", named["user_id"])
    key = vault.new_key(subject)
    made = Fragment(
        identifiers={namespace: {value: AT} for namespace, value in named.items()},
        traits={
            "email": (AT, os.urandom(16), named["email"]),
            "country": (AT, os.urandom(16), "DE"),
        },
        events={"Order Completed": Tally(1, AT, AT)},
        first_seen=AT,
        last_seen=AT,
    )
    box = vault.unwrap(subject, key)
    data = box.pack(fragment.encode(made), fragment.sealed_as(subject))
    nodes = [(namespace, vault.subject(namespace, value)) for namespace, value in named.items()]
    return subject, key, data, nodes


def _copy(connection: psycopg.Connection[Any], table: str, rows: Iterable[Any]) -> None:
    with connection.cursor().copy(f"copy {table} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _floor(connection: psycopg.Connection[Any], segment: int, members: int) -> float:
    begun = time.perf_counter()
    with connection.cursor().copy(_FLOOR.format(segment)) as copy:
        for _ in copy:
            pass
    return members / (time.perf_counter() - begun)


async def _sealed(url: str, vault: Vault, segment: int) -> float:
    """Seconds that the database takes to give what lines with identifiers are made of."""
    reading, after = Pulling(Database(url), vault), b""
    begun = time.perf_counter()
    while len(rows := await reading.page(segment, after, identifiers=True)) == PAGE:
        after = rows[-1][0]
    await reading.database.close()
    return time.perf_counter() - begun


def _pull(platform: Platform, query: str, members: int) -> Pulled:
    (api,) = [
        each
        for each in platform.processes("cdp api")
        if "multiprocessing" not in command_line(each)
    ]
    before = peak = _memory(api)
    lines = size = 0
    begun = looked = time.perf_counter()
    with accounted(platform, members) as spent:
        for chunk in _streamed(platform, f"/api/v1/segments/buyers/members?{query}"):
            size += len(chunk)
            lines += chunk.count(b"}\n")
            now = time.perf_counter()
            if now - looked > 0.25:
                peak, looked = max(peak, _memory(api)), now
    return Pulled(now - begun, lines, size, before, peak, _memory(api), spent)


def _streamed(platform: Platform, path: str) -> Iterator[bytes]:
    """The answer, by a client that costs next to nothing; with what frames its chunks."""
    head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/x-ndjson\r\n"
    head += f"Authorization: Bearer {platform.keys['api_key']}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", platform.port), timeout=60) as connection:
        connection.sendall(head.encode())
        while chunk := connection.recv(1 << 18):
            yield chunk


def _memory(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / _MEGABYTE
