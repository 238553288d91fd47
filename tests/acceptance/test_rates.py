"""Two workers keep to one rate between them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.support.born import again
from tests.support.platform import Platform
from tests.support.receiver import Answer, Request, receiving

RATE, PEOPLE = 50.0, 250


def _set_up(platform: Platform, url: str) -> None:
    where = {"name": "B", "purpose": "analytics", "where": {"event": "Order Completed"}}
    platform.put("/segments/buyers", where)
    hook = {"kind": "webhook", "url": url, "segments": ["buyers"], "rate": RATE}
    platform.put("/destinations/hook", hook)
    platform.wait_quiet()


async def test_two_workers_hold_one_rate(tmp_path: Path) -> None:
    came: list[float] = []

    def answer(request: Request) -> Answer:
        came.append(time.monotonic())
        return 200, {}

    with again(tmp_path, CDP_WORKERS="2") as platform:
        async with receiving() as receiver:
            receiver.answer = answer
            await asyncio.to_thread(_set_up, platform, receiver.url)
            assert len(platform.processes("cdp worker")) == 2
            orders = [
                {"type": "track", "event": "Order Completed", "userId": f"u{number}"}
                for number in range(PEOPLE)
            ]
            begun = time.monotonic()
            await asyncio.to_thread(platform.send, "/v1/batch", {"batch": orders})
            await receiver.until(PEOPLE, 60.0)
    assert len(came) == PEOPLE
    assert all(at >= begun + number / RATE for number, at in enumerate(came))
