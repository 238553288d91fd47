"""What a figure is, what processes used, and where the platform under test is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg

from tests.support.platform import Platform

_KINDS = {
    "cdp api": "api",
    "cdp worker": "worker",
    "cdp scheduler": "scheduler",
    "cdp relay": "relay",
    "postgres": "postgres",
    "valkey": "valkey",
    "cdp up": "supervisor",
}


@dataclass
class Figure:
    """One measured number beside what it should be and its floor or peer in the same run."""

    what: str
    value: float
    unit: str
    target: str
    met: bool
    beside: str = ""  # the floor or peer, with its number
    ratio: float | None = None  # of the value to the floor
    notes: dict[str, Any] = field(default_factory=dict)


def services(platform: Platform) -> dict[str, str]:
    """Where its embedded servers are: `database` and `redis`."""
    return dict(json.loads((platform.home / "data" / "services.json").read_text()))


def database(platform: Platform) -> psycopg.Connection[Any]:
    """A connection of one's own to the platform's PostgreSQL."""
    return psycopg.connect(services(platform)["database"], autocommit=True)


def cpu(platform: Platform) -> dict[str, float]:
    """Seconds of processor time that each kind of process has used so far."""
    used: dict[str, float] = {}
    for process in platform.processes():
        try:
            words, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        kind = next((kind for word, kind in _KINDS.items() if word in words), "other")
        used[kind] = used.get(kind, 0.0) + times.user + times.system
    return used


@contextmanager
def accounted(platform: Platform, events: float = 1.0) -> Iterator[dict[str, float]]:
    """Microseconds of processor time per event, by kind of process, for what happens inside."""
    before, spent = cpu(platform), {}
    yield spent
    for kind, seconds in cpu(platform).items():
        used = (seconds - before.get(kind, 0.0)) / events * 1e6
        if used > 0.05:
            spent[kind] = round(used, 1)


def until_handled(platform: Platform, seconds: float = 900.0) -> float:
    """Wait until every topic is drained; returns the instant at which it was."""
    deadline = time.monotonic() + seconds
    with database(platform) as connection:
        while time.monotonic() < deadline:
            rows = connection.execute(
                "select coalesce(sum(h.next_offset - c.next_offset), 0)"
                " from heads h join checkpoints c using (topic, partition)"
            ).fetchone()
            if rows is not None and rows[0] == 0:
                return time.perf_counter()
            time.sleep(0.02)
    raise TimeoutError("the platform has not caught up")
