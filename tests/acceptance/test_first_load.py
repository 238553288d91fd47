"""A first load whose scheduler and worker are killed tells everybody who is in, once by its key."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.support.born import again
from tests.support.platform import Platform
from tests.support.receiver import receiving

PEOPLE, BATCH = 3_000, 500
WHERE = {"name": "B", "purpose": "analytics", "where": {"event": "Order Completed"}}


def _buy(platform: Platform) -> None:
    platform.put("/segments/buyers", WHERE)
    for first in range(0, PEOPLE, BATCH):
        batch = [
            {"type": "track", "event": "Order Completed", "userId": f"u{number}"}
            for number in range(first, first + BATCH)
        ]
        platform.send("/v1/batch", {"batch": batch}).raise_for_status()
    platform.wait_quiet(120)


def _sync(platform: Platform) -> dict[str, Any]:
    return dict(platform.call("GET", "/destinations/hook").raise_for_status().json()["sync"])


def _ledger(platform: Platform) -> dict[str, str]:
    found: dict[str, str] = {}
    cursor = ""
    while cursor is not None:
        path = f"/deliveries?destination=hook&limit=1000&cursor={cursor}"
        page = platform.call("GET", path).raise_for_status().json()
        found |= {each["id"]: each["state"] for each in page["deliveries"]}
        cursor = page["next"]
    return found


def _kill(platform: Platform, words: str) -> None:
    for process in platform.processes(words)[:1]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


async def test_a_first_load_survives_kills(tmp_path: Path) -> None:
    with again(tmp_path) as platform:
        await asyncio.to_thread(_buy, platform)
        async with receiving() as receiver:
            hook = {"kind": "webhook", "url": receiver.url, "segments": ["buyers"]}
            hook |= {"timeout": 1.0, "max_attempts": 20}
            await asyncio.to_thread(platform.put, "/destinations/hook", hook)
            for words, some in (
                ("cdp scheduler", 200),
                ("cdp worker", 900),
                ("cdp scheduler", 1200),
            ):
                await receiver.until(some, 120)
                _kill(platform, words)
            async with asyncio.timeout(240):
                while (await asyncio.to_thread(_sync, platform))["state"] != "done":
                    await asyncio.sleep(0.5)
                while set((await asyncio.to_thread(_ledger, platform)).values()) != {"sent"}:
                    await asyncio.sleep(1.0)
            run = _sync(platform)
            received = Counter(each.headers["webhook-id"] for each in receiver.requests)
            told = {each.json["data"]["profile_id"] for each in receiver.requests}
        lines = platform.call(
            "GET", "/segments/buyers/members", headers={"accept": "application/x-ndjson"}
        ).text.splitlines()
        ledger = _ledger(platform)
    assert (run["members"], run["looked_at"], run["entered"]) == (PEOPLE, PEOPLE, PEOPLE)
    assert received.keys() == ledger.keys() and len(ledger) == PEOPLE
    assert len(lines) == PEOPLE == len(told)
