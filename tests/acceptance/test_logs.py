"""People go through everything that can go right or wrong, and nothing that is written says who.

Marks are planted wherever somebody may say something of a person. They are looked for in logs,
metrics and answers to others, and in all files: PostgreSQL's with its WAL, Valkey's, what was
spilled, a backup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.ordeal import LINKS, PEOPLE, WORDS, ordeal
from tests.support.planted import found_as, found_in
from tests.support.platform import Platform, free_ports, running


class Told(NamedTuple):
    """What a platform has said and written, after all of it."""

    home: Path
    lines: list[str]  # of every log
    answers: dict[str, str]  # metrics, status, errors that others get


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Everything that can happen, on a platform that logs all it can."""
    home = tmp_path_factory.mktemp("logs")
    port = free_ports(3)
    settings = {"LOG_LEVEL": "debug", "TRUSTED_PROXIES": "127.0.0.1", "SPILL_MB": "8"}
    settings |= {"RATE_PER_ADDRESS": "10000", "RATE_PER_KEY": "10000", "METRICS_PORT": str(port)}
    with running(home, **{f"CDP_{name}": value for name, value in settings.items()}) as platform:
        ordeal(platform)
        answers = what_others_are_told(platform, port)
        platform.command("backup", str(home / "backup"))
    logs = [home / "platform.log", *(home / "data").rglob("*.log")]
    assert len(logs) == 3
    lines = [line for log in logs for line in log.read_text().splitlines()]
    return Told(home, lines, answers)


def what_others_are_told(platform: Platform, port: int) -> dict[str, str]:
    """Numbers, states and errors that say nothing of a person that they were not asked about."""
    asked: dict[str, httpx.Response] = {
        f"metrics {number}": httpx.get(f"http://127.0.0.1:{port + number}/metrics", trust_env=False)
        for number in range(3)
    }
    for path in ("/metrics", "/openapi.json", "/health/ready", "/nothing", "/v1/nothing"):
        asked[path] = platform.get(path)
    for path in ("/nothing", "/profiles/user_id:nobody", "/profiles/x", "/segments/none"):
        asked[path] = platform.call("GET", path)
    for path in ("/audit?limit=1000", "/deliveries", "/identity/history", "/consent/notices"):
        asked[path] = platform.call("GET", path)
    asked["track"] = platform.send("/v1/track", {"userId": "other"})
    asked["strict"] = platform.send("/v1/track", {"userId": "other"}, **{"x-strict-mode": "1"})
    answers = {name: f"{answer.headers} {answer.text}" for name, answer in asked.items()}
    for command in ("status --json", "parked list", "audit --limit 1000", "keys list", "digest"):
        answers[command] = platform.command(*command.split())
    return answers


def _events(told: Told) -> Iterator[dict[str, Any]]:
    for line in told.lines:
        if line.startswith("{"):
            yield json.loads(line)


def test_nothing_of_the_person_is_in_any_log(told: Told) -> None:
    text = "\n".join(told.lines)
    assert len(text) > 10_000
    assert found_as("logs", text, PEOPLE) + found_as("logs", text, WORDS) == []
    tokens = {path.rpartition("/")[2] for path in LINKS}
    assert len(tokens) == 3
    assert [token for token in tokens if token in text] == []


def test_nothing_of_the_person_is_in_a_metric_or_told_to_others(told: Told) -> None:
    assert all(len(answer) > 10 for answer in told.answers.values())
    found = [each for name, said in told.answers.items() for each in found_as(name, said, PEOPLE)]
    assert found == []
    metrics = {name: said for name, said in told.answers.items() if "metrics" in name}
    assert len(metrics) == 4
    assert [each for each in metrics.items() if found_as(*each, WORDS)] == []


def test_nothing_of_the_person_stands_in_clear_in_any_file(told: Told) -> None:
    assert found_in([told.home], WORDS)  # the search sees what stands there
    assert (told.home / "backup" / "manifest.json").exists()
    assert found_in([told.home], PEOPLE) == []


def test_all_of_it_was_logged(told: Told) -> None:
    wanted = {"chunk", "chunk_failed", "parked", "append_failed", "unexpected", "died"}
    wanted |= {"part_died", "server_died", "store_unavailable", "spilling", "spill_drained"}
    assert wanted <= {event["event"] for event in _events(told)}


def test_every_line_says_which_process_it_is_of(told: Told) -> None:
    processes = {event["process"] for event in _events(told)}
    assert processes == {"up", "api", "worker", "scheduler"}
    assert all(isinstance(event["pid"], int) for event in _events(told))
    assert not [line for line in told.lines if "Traceback" in line and not line.startswith("{")]
