"""How long it takes from asking to erase, or to export, a person with many events, to the end."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import figures
from bench.measure import Figure
from tests.support.platform import Platform, running

STORED = 200_000  # events of everybody else
LIFE, BATCH = 10_000, 500  # events of one person
PEOPLE = 5
_POLL_SECONDS = 0.01
_LONGEST_SECONDS = 60.0


def erasing() -> list[Figure]:
    """On a platform that has others' events, one person after the other."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as platform:
        figures.define_segments(platform)
        figures.fill(platform, STORED)
        for person in range(PEOPLE):
            _live(platform, person)
        platform.wait_quiet(300)
        exports = [_timed(platform, "export", person) for person in range(PEOPLE)]
        erased = [_timed(platform, "erase", person) for person in range(PEOPLE)]
    return [
        _figure("erase", erased, 2.0, "< 2"),
        _figure("export", exports, 30.0, "< 30"),
    ]


def _live(platform: Platform, person: int) -> None:
    """A login and many events on a few devices."""
    for start in range(0, LIFE, BATCH):
        batch: list[dict[str, Any]] = [
            {
                "type": "track",
                "event": f"Event {n % 20}",
                "userId": f"person-{person}",
                "anonymousId": f"device-{person}-{n % 5}",
                "properties": {"n": n, "path": f"/products/{n % 300}", "revenue": n / 7},
            }
            for n in range(start, start + BATCH)
        ]
        answer = platform.send("/v1/batch", {"batch": batch})
        assert answer.status_code == 200, answer.text


def _timed(platform: Platform, kind: str, person: int) -> tuple[float, dict[str, Any]]:
    """Seconds from sending the request to reading that it is done."""
    started = time.perf_counter()
    body = {"kind": kind, "identifier": f"user_id:person-{person}"}
    found = platform.call("POST", "/privacy/requests", json=body).json()
    while found["status"] != "done":
        assert time.perf_counter() - started < _LONGEST_SECONDS, found
        time.sleep(_POLL_SECONDS)
        found = platform.call("GET", f"/privacy/requests/{found['id']}").json()
    return time.perf_counter() - started, found


def _figure(
    kind: str, runs: list[tuple[float, dict[str, Any]]], most: float, wanted: str
) -> Figure:
    seconds = [each for each, _ in runs]
    assert all(found["result"]["events"] == LIFE for _, found in runs)
    return Figure(
        f"{kind} a person with {LIFE:,} events, {STORED:,} of others",
        statistics.median(seconds),
        "s",
        wanted,
        max(seconds) < most,
        "from the request to its end; median",
        notes={"each": [round(each, 2) for each in seconds]},
    )
