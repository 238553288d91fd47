"""A store that hangs or is away: answers within a bound, memory within a bound, nothing lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from cdp.collect import sources
from cdp.instance import Running
from cdp.log.appender import Bounds
from tests.conftest import Api, Instance
from tests.support.behind import Behind, behind_a_line
from tests.support.collected import quarantined, stored
from tests.support.instances import api_on

PAGE = {"type": "page", "anonymousId": "a"}


def batch(number: int, size: int = 1) -> dict[str, Any]:
    return {
        "batch": [
            {**PAGE, "messageId": f"{number:03d}-{n}", "properties": {"text": "x" * 1000}}
            for n in range(size)
        ]
    }


@pytest.fixture
async def slow(instance: Instance, running: Running) -> AsyncIterator[Behind]:
    """A platform with room for a few bodies."""
    async with behind_a_line(instance, running, commit_timeout=4, max_pending_mb=1) as made:
        assert (await made.api.send("/v1/page", {**PAGE, "messageId": "0"})).status_code == 200
        yield made


async def unread(api: Api) -> tuple[httpx.Response, bool]:
    """The answer to a body that is only sent when somebody asks for it, and whether one did."""
    asked = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        asked = True
        yield b'{"type": "page", "anonymousId": "a"}'

    key = {"x-write-key": api.instance.keys["write_key"]}
    return await api.client.post("/v1/page", content=body(), headers=key), asked


async def test_while_the_oldest_waits_nobody_else_is_let_in(slow: Behind) -> None:
    api, line = slow
    line.hold_up()
    waiting = asyncio.create_task(api.send("/v1/page", {**PAGE, "messageId": "1"}))
    await asyncio.sleep(Bounds().patience + 0.2)
    answer, asked = await unread(api)
    assert (answer.status_code, answer.headers["retry-after"], asked) == (503, "1", False)
    assert not waiting.done()
    await line.mend()
    assert (await waiting).status_code == 200
    answer, asked = await unread(api)
    assert (answer.status_code, asked) == (200, True)
    assert len(await stored(api)) == 3


async def test_a_store_that_hangs_is_answered_within_the_bound(slow: Behind) -> None:
    api, line = slow
    line.hold_up()
    answer = await api.send("/v1/page", {**PAGE, "messageId": "1"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    ready = await api.client.get("/health/ready")
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
    await line.mend()
    assert (await api.client.get("/health/ready")).status_code == 200


async def test_bodies_in_work_are_bounded_and_the_others_come_again(slow: Behind) -> None:
    api, line = slow
    line.hold_up()
    batches = [batch(number, 100) for number in range(30)]
    sent = [asyncio.create_task(api.send("/v1/batch", each)) for each in batches]
    await asyncio.sleep(0.5)
    refused = [task.result().status_code for task in sent if task.done()]
    assert set(refused) == {503}
    assert 15 <= len(refused) < 30  # a mebibyte holds nine of a hundred kilobytes
    await line.mend()
    codes = Counter([(await task).status_code for task in sent])
    assert codes == {503: len(refused), 200: 30 - len(refused)}
    for each in batches:
        assert (await api.send("/v1/batch", each)).status_code == 200
    assert len(await stored(api)) == 1 + 30 * 100


@pytest.fixture
async def spilling(instance: Instance, running: Running) -> AsyncIterator[Behind]:
    """A platform that keeps on its own disk what the store does not take."""
    async with behind_a_line(instance, running, commit_timeout=4, spill_mb=16) as made:
        assert (await made.api.send("/v1/page", {**PAGE, "messageId": "0"})).status_code == 200
        yield made


async def emptied(api: Api) -> None:
    home = api.instance.settings.data_dir / "spill"
    async with asyncio.timeout(20):
        while list(home.glob("*.spill")):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", ["hangs", "is away"])
async def test_what_is_spilled_is_acknowledged_and_stored_when_the_store_returns(
    spilling: Behind, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    api, line = spilling
    monkeypatch.setattr(sources, "_TTL", 0.0)  # each request asks whether its key is still good
    if fault == "hangs":
        line.hold_up()
    else:
        await line.cut()
    for number in range(1, 6):
        sent = batch(number, 3)
        sent["batch"].append({"type": "track", "messageId": f"broken {number}"})
        assert (await api.send("/v1/batch", sent)).status_code == 200
    unknown = {"x-write-key": "unknown"}
    assert (await api.send("/v1/page", {**PAGE}, **unknown)).status_code == 503
    await line.mend()
    await emptied(api)
    ids = [event.message_id for event in await stored(api)]
    assert ids == ["0"] + [f"{number:03d}-{n}" for number in range(1, 6) for n in range(3)]
    broken = {kept["message"]["messageId"] for kept in await quarantined(api)}
    assert broken == {f"broken {number}" for number in range(1, 6)}
    assert (await api.send("/v1/page", {**PAGE, "messageId": "z"})).status_code == 200
    assert len(await stored(api)) == 17


async def test_the_next_process_stores_what_the_last_one_spilled(
    instance: Instance, running: Running
) -> None:
    async with behind_a_line(instance, running, spill_mb=16) as (api, line):
        assert (await api.send("/v1/page", {**PAGE, "messageId": "0"})).status_code == 200
        await line.cut()
        assert (await api.send("/v1/page", {**PAGE, "messageId": "1"})).status_code == 200
    (left,) = (instance.settings.data_dir / "spill").glob("*.spill")
    assert left.stat().st_size > 0
    again = replace(instance, settings=replace(instance.settings, spill_mb=16))
    async with api_on(again) as api:
        await emptied(api)
        assert [event.message_id for event in await stored(api)] == ["0", "1"]
