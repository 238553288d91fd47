"""Withdrawals against sends under way: what is acknowledged has nothing sent after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

import activation.store as delivery_store
from activation import claims
from activation.store import Mark
from cdp import times
from cdp.db import named
from cdp.entrance import subject_of
from cdp.errors import Overloaded
from cdp.events import Event
from cdp.log.store import Record
from cdp.log.writing import fact_of
from cdp.stream.stage import Unit
from cdp.withdrawing import Withdrawals, settled
from consent.model import denied
from tests.conftest import Api
from tests.integration.test_deliveries import buy, connect, decide, due_now, ledger
from tests.support.preferences import ONE_CLICK, mint, path
from tests.support.receiver import Answer, Receiver, Request, receiving

_OPEN = named("select id from deliveries where state in ('requested', 'retrying', 'sending')")


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def short_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody has to wait for what a dead worker has claimed."""
    monkeypatch.setattr(claims, "BEGIN_SECONDS", 0.3)
    monkeypatch.setattr(claims, "SLACK_SECONDS", 0.2)


async def requested(api: Api) -> None:
    """Let the pipeline come to where deliveries are requested."""
    events, touched, _ = api.instance.driver.stages
    while await api.instance.driver.step(events) or await api.instance.driver.step(touched):
        pass


def sending(api: Api) -> asyncio.Task[int]:
    """Send what is requested, beside the test."""
    driver = api.instance.driver
    return asyncio.create_task(driver.step(driver.stages[2]))


def noting(said: list[str], what: str) -> Any:
    """A receiver's answer that notes when it is given."""

    def answer(request: Request) -> Answer:
        said.append(what)
        return 200, {}

    return answer


async def under_way(
    api: Api, hook: Receiver, said: list[str], *, delay: float = 0.4
) -> asyncio.Task[int]:
    """A send to ada that has reached its receiver, who takes its time."""
    await connect(api, hook)
    await buy(api)
    await requested(api)
    hook.delay, hook.answer = delay, noting(said, "answered")
    send = sending(api)
    await hook.until(1)
    return send


async def withdraw(api: Api, user: str, said: list[str]) -> None:
    await decide(api, user, "denied")
    said.append(f"{user} acknowledged")


async def test_a_withdrawal_is_acknowledged_after_what_is_under_way(
    api: Api, hook: Receiver
) -> None:
    said: list[str] = []
    send = await under_way(api, hook, said)
    await withdraw(api, "ada", said)
    await send
    assert said == ["answered", "ada acknowledged"]


async def test_one_click_of_a_mail_program_waits_likewise(api: Api, hook: Receiver) -> None:
    said: list[str] = []
    send = await under_way(api, hook, said)
    link = (await mint(api, "user_id:ada"))["unsubscribe_url"]
    assert (await api.client.post(path(link), data=ONE_CLICK)).status_code == 200
    said.append("acknowledged")
    await send
    assert said == ["answered", "acknowledged"]


async def test_a_stamp_that_denies_waits_likewise_and_one_that_grants_does_not(
    api: Api, hook: Receiver
) -> None:
    said: list[str] = []
    send = await under_way(api, hook, said, delay=0.6)
    for allowed in (True, False):
        stamp = {"consent": {"categoryPreferences": {"marketing_email": allowed}}}
        answer = await api.send("/v1/page", {"userId": "ada", "context": stamp})
        assert answer.is_success
        said.append(f"{allowed} acknowledged")
    await send
    assert said == ["True acknowledged", "answered", "False acknowledged"]


async def test_nobody_waits_for_a_destination_that_is_slow_for_somebody_else(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook)
    async with receiving() as slow:
        await api.put("/destinations/slow", {"kind": "webhook", "url": slow.url, "segments": ["x"]})
        where = {"event": "Order Completed", "where": [{"property": "slow", "eq": True}]}
        await api.put("/segments/x", {"name": "x", "purpose": "marketing_email", "where": where})
        await api.settle()
        await decide(api, "ada", "granted")
        order = {"userId": "ada", "event": "Order Completed", "properties": {"slow": True}}
        await api.send("/v1/track", order)
        await buy(api, "bob")
        await requested(api)
        said: list[str] = []
        slow.delay, slow.answer = 1.0, noting(said, "the slow one answered")
        send = sending(api)
        await asyncio.gather(hook.until(2), slow.until(1))
        await withdraw(api, "bob", said)
        await send
    assert said == ["bob acknowledged", "the slow one answered"]


async def test_a_check_that_has_not_committed_is_waited_for_and_so_is_its_send(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook)
    await buy(api)
    await requested(api)
    database = api.instance.core.database
    said: list[str] = []
    async with database.transaction() as connection:
        rows = await database.rows(_OPEN)
        (claimed,) = await delivery_store.claim(connection, [row[0] for row in rows])
        waiting = asyncio.create_task(withdraw(api, "ada", said))
        await until_decided(api, 2)
        lease = times.now() + 30 * times.SECOND
        await delivery_store.mark(connection, [Mark(claimed.id, "sending", "", lease, None, 1)])
        said.append("checked")
    for _ in range(20):
        await settle_once(api)
    said.append("sent")
    async with database.transaction() as connection:
        await delivery_store.mark(connection, [Mark(claimed.id, "sent", attempt=1)])
    await waiting
    assert said == ["checked", "sent", "ada acknowledged"]


async def until_decided(api: Api, count: int) -> None:
    """Until so many decisions are in the log."""
    statement = named("select count(*) from events where consent")
    async with asyncio.timeout(10):
        while (await api.instance.core.database.rows(statement))[0][0] < count:
            await asyncio.sleep(0.01)


async def settle_once(api: Api) -> None:
    """A round of the loop with a question to the database in it."""
    await api.instance.core.database.rows(_OPEN)
    await asyncio.sleep(0.01)


@pytest.mark.usefixtures("short_claims")
async def test_a_worker_that_died_while_sending_is_waited_for_until_its_lease_is_over(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook, timeout=0.5)
    await buy(api)
    await requested(api)
    hook.delay = 5.0
    send = sending(api)
    await hook.until(1)
    send.cancel()
    await asyncio.gather(send, return_exceptions=True)
    (before,) = await ledger(api)
    await decide(api, "ada", "denied")
    assert times.now() > times.parse(before["next_attempt_at"])
    assert len(hook.requests) == 1


@pytest.mark.usefixtures("short_claims")
async def test_a_worker_that_stood_still_after_its_check_does_not_send(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook, timeout=30.0)
    await buy(api)
    await requested(api)
    driver = api.instance.driver
    work = driver.pipeline

    async def stand_still() -> None:
        time.sleep(0.5)  # nothing in this process moves, as if it were stopped

    async def handle(unit: Unit, records: Sequence[Record]) -> None:
        await work.on_deliveries(unit, records)
        unit.after_commit.insert(0, stand_still)

    await driver.step(replace(driver.stages[2], handle=handle))
    assert hook.requests == []
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"]) == ("sending", 1)
    await due_now(api)
    assert len(hook.requests) == 1
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"]) == ("sent", 2)


async def test_what_comes_of_a_try_counts_only_while_no_other_has_begun(
    api: Api, hook: Receiver
) -> None:
    await connect(api, hook)
    await buy(api)
    await requested(api)
    hook.delay = 0.5
    hook.answer = lambda request: (500 if request is hook.requests[0] else 200, {})
    send = sending(api)
    await hook.until(1)
    hook.delay = 0.0
    await due_now(api)
    (entry,) = await ledger(api)
    assert (entry["state"], entry["attempts"]) == ("sent", 2)
    await send
    assert await ledger(api) == [entry]


async def test_who_has_nothing_under_way_waits_for_nothing(api: Api) -> None:
    subject = api.instance.core.vault.subject("user_id", "nobody")
    await settled(api.instance.core.database, [subject])


async def test_a_denial_on_a_collectors_own_disk_is_not_acknowledged(api: Api) -> None:
    core = api.instance.core
    withdrawals = Withdrawals(core.database, lambda event: bool(denied(event)))

    def said(allowed: bool) -> Any:
        context = {"consent": {"categoryPreferences": {"Analytics": allowed}}}
        event = Event(1, "page", bytes(16), 1, "m", 1, 1, user_id="ada", context=context)
        return fact_of(event, subject_of(core.vault, event), consent=True)

    await withdrawals([said(True)], stored=False)
    with pytest.raises(Overloaded, match="the decision is kept"):
        await withdrawals([said(False)], stored=False)
