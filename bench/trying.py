"""A dry run of rules as it happens: the scheduler works on it while the API answers readers."""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.measure import Figure
from cdp.instance import Running
from cdp.services.server import die_with_parent, free_port
from tests.support.stores import MASTER_KEY

READS = 1500  # before, and at least as many meanwhile
PAUSE = 0.002  # seconds between two reads, so that the reader leaves room for what it reads from
_START_SECONDS = 60


def dry_run(
    running: Running, home: Path, api_key: str, rules: dict[str, Any], people: Sequence[str]
) -> list[Figure]:
    """How long it takes over all of the graph, and what readers of profiles notice of it."""
    with _served(running, home) as url:
        client = httpx.Client(
            base_url=f"{url}/api/v1",
            headers={"authorization": f"Bearer {api_key}"},
            trust_env=False,
            timeout=60,
        )
        before = [_read(client, people) for _ in range(READS)]
        started_at = time.perf_counter()
        trial = client.post("/identity/rules/dry-run", json=rules).raise_for_status().json()["id"]
        meanwhile: list[float] = []
        state, asked_at = "", 0.0
        while state != "done":
            meanwhile.append(_read(client, people))
            if time.perf_counter() - asked_at > 0.5:
                found = client.get(f"/identity/rules/dry-run/{trial}").json()
                state, asked_at = found["state"], time.perf_counter()
        seconds = time.perf_counter() - started_at
    outcome = found["result"]
    assert outcome["profiles_split"] > 1000
    return [
        Figure(
            "dry run of rules over the whole graph, by the scheduler, while readers read",
            seconds,
            "s",
            "< 60",
            seconds < 60,
            notes={
                "profiles": outcome["profiles"],
                "identifiers moved": outcome["identifiers_moved"],
            },
        ),
        _noticed(before, meanwhile),
    ]


def _noticed(before: list[float], meanwhile: list[float]) -> Figure:
    p50, p99 = _percentiles(before)
    q50, q99 = _percentiles(meanwhile)
    return Figure(
        "reading a profile over HTTP during a dry run, median",
        q50 * 1000,
        "ms",
        "≤ 1.25 times that without",
        q50 <= 1.25 * p50,
        f"without: {p50 * 1000:.2f} ms",
        q50 / p50,
        {"p99 ms without and with": f"{p99 * 1000:.1f}, {q99 * 1000:.1f}", "reads": len(meanwhile)},
    )


def _percentiles(taken: list[float]) -> tuple[float, float]:
    return statistics.median(taken), sorted(taken)[int(len(taken) * 0.99)]


def _read(client: httpx.Client, people: Sequence[str]) -> float:
    who = random.choice(people)
    started_at = time.perf_counter()
    answer = client.get(f"/profiles/user_id:{who}")
    taken = time.perf_counter() - started_at
    assert answer.status_code == 200, answer.text
    time.sleep(PAUSE)
    return taken


@contextmanager
def _served(running: Running, home: Path) -> Iterator[str]:
    """`cdp api` and `cdp scheduler` over these servers."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")} | {
        "CDP_DATABASE_URL": running.database_url,
        "CDP_REDIS_URL": running.redis_url,
        "CDP_MASTER_KEY": MASTER_KEY,
        "CDP_JURISDICTION": "CA",
        "CDP_DATA_DIR": str(home / "served"),
        "CDP_PORT": str(port),
        "CDP_LOG_LEVEL": "warning",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "cdp", part],
            env=environment,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509
        )
        for part in ("api", "scheduler")
    ]
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url)
        yield url
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _wait(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the API is not ready")
