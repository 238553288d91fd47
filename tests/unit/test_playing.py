"""Playing a file to a collector that answers out of order, refuses, or makes the run die."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.errors import ConfigurationError
from cdp.importing import batches
from cdp.importing.cursor import Cursor
from cdp.importing.mapping import CALLS
from cdp.importing.play import Ears, Job, play

LINES = 22


class Log:
    """Stores calls by message id. `delays` are how many turns of the loop each request takes."""

    def __init__(self, delays: list[int], dies_at: int | None = None) -> None:
        self.delays = delays
        self.dies_at = dies_at
        self.stored: list[str] = []
        self.requests = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        number = self.requests
        self.requests += 1
        for _ in range(self.delays[number % len(self.delays)]):
            await asyncio.sleep(0)
        if self.dies_at is not None and number >= self.dies_at:
            raise RuntimeError("died")
        calls = json.loads(request.content)["batch"]
        self.stored += [call["messageId"] for call in calls]
        return httpx.Response(200)


@pytest.fixture(autouse=True)
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three calls each."""
    monkeypatch.setattr(batches, "MAX_CALLS", 3)


def job(home: Path) -> Job:
    path = home / "calls.jsonl"
    path.write_text("".join(f'{{"type":"page","userId":"{n}"}}\n' for n in range(LINES)))
    cursor = Cursor.of(home, path, CALLS, "here")
    cursor.forget()
    return Job(path, CALLS, "http://cdp.test", "key", cursor)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=7), st.integers(0, 8))
async def test_a_run_that_died_anywhere_goes_on_and_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, delays: list[int], dies_at: int
) -> None:
    work = job(tmp_path_factory.mktemp("run"))
    log = Log(delays, dies_at)
    with pytest.raises(RuntimeError, match="died") if dies_at < 8 else nullcontext():
        await play(work, Ears(), httpx.MockTransport(log))
    first = len(log.stored)
    log.dies_at = None
    tally = await play(work, Ears(), httpx.MockTransport(log))
    assert len(set(log.stored)) == LINES
    assert tally.known + tally.lines == LINES
    assert tally.sent == len(log.stored) - first


async def test_a_slow_request_holds_the_cursor_back(tmp_path: Path) -> None:
    work = job(tmp_path)
    seen: list[int] = []
    assert work.cursor is not None
    ears = Ears(progress=lambda tally: seen.append(work.cursor.load().line))  # type: ignore[union-attr]
    log = Log([50, *[0] * 20])
    await play(work, ears, httpx.MockTransport(log))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == LINES


async def test_what_the_collector_refuses_is_told_by_its_line(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        results = [
            {"status": "refused" if call["userId"] == "7" else "accepted", "reason": "no"}
            for call in json.loads(request.content)["batch"]
        ]
        refused = any(each["status"] == "refused" for each in results)
        return httpx.Response(400 if refused else 200, json={"results": results})

    broken: list[tuple[int, str]] = []
    ears = Ears(broken=lambda line, reason: broken.append((line, reason)))
    tally = await play(job(tmp_path), ears, httpx.MockTransport(refuse))
    assert broken == [(8, "no")]
    assert (tally.sent, tally.skipped, tally.lines) == (LINES - 1, 1, LINES)


async def test_an_error_is_told_as_it_is(tmp_path: Path) -> None:
    def unknown(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401)

    with pytest.raises(ConfigurationError, match="does not take this write key"):
        await play(job(tmp_path), Ears(), httpx.MockTransport(unknown))


async def test_a_changed_file_is_played_from_the_start(tmp_path: Path) -> None:
    work, log = job(tmp_path), Log([0])
    await play(work, Ears(), httpx.MockTransport(log))
    again = await play(work, Ears(), httpx.MockTransport(log))
    assert (again.known, again.lines, again.changed) == (LINES, 0, False)
    work.file.write_text('{"type":"page","userId":"new"}\n' * LINES)
    other = await play(work, Ears(), httpx.MockTransport(log))
    assert (other.known, other.lines, other.changed) == (0, LINES, True)
    assert len(set(log.stored)) == 2 * LINES
