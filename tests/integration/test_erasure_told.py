"""Destinations that knew somebody are told that they were erased: last of all, and once it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cdp.db import named
from tests.conftest import Api
from tests.integration.test_deliveries import buy, connect, ledger
from tests.support.privacy import ask, done, request
from tests.support.receiver import Receiver, receiving


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_destinations_that_knew_them_are_told_and_the_words_are_purged(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook)
    async with receiving() as stranger:
        other = {"kind": "webhook", "url": stranger.url, "segments": ["nobody"]}
        await api.put("/destinations/other", other)
        await api.send("/v1/identify", {"userId": "ada", "traits": {"email": "ada@example.com"}})
        await buy(api)
        await api.settle()
        before = len(hook.requests)
        profile: Any = await api.get("/profiles/user_id:ada")
        found = await done(api, "erase", "user_id:ada")
        found = await request(api, found["id"])
        assert stranger.requests == []
    assert found["destinations"] == {"crm": "sent"}
    (told,) = [each.json for each in hook.requests[before:]]
    assert told["type"] == "person.erased"
    assert told["data"]["profile_ids"] == [profile["profile_id"]]
    assert told["data"]["identifiers"] == {"email": ["ada@example.com"], "user_id": ["ada"]}
    bodies = await api.instance.core.database.rows(
        named("select count(*) from deliveries where body is not null")
    )
    assert bodies[0][0] == 0
    entries = await ledger(api, "?destination=crm&state=sent")
    assert [each["change"] for each in entries] == ["entered", "erased"]


async def test_it_is_told_after_what_is_being_sent(api: Api, hook: Receiver) -> None:
    """A send that was allowed before is waited for: the last word is that they were erased."""
    await connect(api, hook)
    await buy(api)
    driver = api.instance.driver
    for stage in driver.stages[:2]:
        while await driver.step(stage):
            pass
    hook.delay = 0.5
    send = asyncio.create_task(driver.step(driver.stages[2]))
    await hook.until(1)
    asked = await ask(api, "erase", "user_id:ada")
    while (await request(api, asked["id"]))["status"] != "done":
        await driver.jobs.serve_people()
        for stage in driver.stages[:2]:
            await driver.step(stage)
        await asyncio.sleep(0.02)
    assert send.done()
    await api.settle()
    assert [each.json["type"] for each in hook.requests] == ["segment.entered", "person.erased"]


async def test_a_destination_that_is_away_is_told_later(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    await buy(api)
    await api.settle()
    hook.answer = lambda _: (503, {})
    found = await done(api, "erase", "user_id:ada")
    assert (await request(api, found["id"]))["destinations"] == {"crm": "retrying"}
