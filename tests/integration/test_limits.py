"""Rates: counted in each process, shared through Valkey, and in nobody's way without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cdp.errors import TooMany
from cdp.instance import Running
from cdp.limits import Budget, Limits, caller
from tests.conftest import Api
from tests.support.alone import Alone
from tests.support.instances import Instance, api_on
from tests.support.line import line_to
from tests.support.stores import Stores

SLOW = Budget("test", rate=0.01, burst=100)  # what is used up stays used up while a test runs


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Limits]:
    """What one API process has."""
    limits = Limits(url)
    running = asyncio.create_task(limits.run())
    try:
        yield limits
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await limits.close()


async def admitted(limits: Limits, budget: Budget, who: str, tries: int, cost: int = 1) -> int:
    count = 0
    for _ in range(tries):
        with suppress(TooMany):
            await limits.take(budget, who, cost)
            count += 1
    return count


async def told(*several: Limits) -> None:
    """Until each has told Valkey what it let through, and heard of the others."""
    for _ in range(2):
        for limits in several:
            for bucket in limits._buckets.values():
                limits._changed[bucket.name] = bucket
            limits._wake.set()
            while limits._changed:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)


async def test_a_budget_is_spent_to_the_last(running: Running) -> None:
    async with process(running.redis_url) as limits:
        assert await admitted(limits, SLOW, "a", 150) == 100
        assert await admitted(limits, SLOW, "b", 150) == 100  # everybody has one
        with pytest.raises(TooMany) as caught:
            await limits.take(SLOW, "a")
        assert 1 <= caught.value.retry_after <= 101
        assert caught.value.policy == '"test";q=100;w=10000'


async def test_it_comes_back_with_time(running: Running) -> None:
    budget = Budget("quick", rate=1000, burst=10)
    async with process(running.redis_url) as limits:
        assert await admitted(limits, budget, "a", 10) == 10
        await asyncio.sleep(0.05)
        assert await admitted(limits, budget, "a", 5) == 5


async def test_what_is_more_than_the_rest_is_owed_and_not_refused(running: Running) -> None:
    async with process(running.redis_url) as limits:
        assert await admitted(limits, SLOW, "a", 3, cost=2500) == 1
        with pytest.raises(TooMany) as caught:
            await limits.take(SLOW, "a")
        assert caught.value.retry_after > 2400 / SLOW.rate


async def test_processes_share_a_budget(running: Running) -> None:
    async with process(running.redis_url) as one, process(running.redis_url) as two:
        first = await admitted(one, SLOW, "a", 60)
        await told(one)
        first += await admitted(two, SLOW, "a", 60)
        assert first == 100
        await told(one, two)
        assert await admitted(one, SLOW, "a", 10) == 0


async def test_what_is_let_through_at_once_in_several_is_paid_off(running: Running) -> None:
    async with process(running.redis_url) as one, process(running.redis_url) as two:
        await asyncio.gather(*(admitted(each, SLOW, "a", 0) for each in (one, two)))
        for each in (one, two):
            await each.check(SLOW, "a")  # both have seen a full bucket
        counts = [await admitted(each, SLOW, "a", 100) for each in (one, two)]
        assert 100 <= sum(counts) <= 200
        await told(one, two)
        with pytest.raises(TooMany) as caught:
            await one.take(SLOW, "a")
        owed = sum(counts) - 100
        assert caught.value.retry_after >= owed / SLOW.rate


async def test_without_valkey_each_goes_by_its_own_numbers(stores: Stores) -> None:
    async with line_to(stores.fresh().redis_url) as line, process(line.url) as limits:
        assert await admitted(limits, SLOW, "a", 30) == 30
        await told(limits)
        await line.cut()
        assert await admitted(limits, SLOW, "a", 100) == 70
        assert await admitted(limits, SLOW, "new", 100) == 100
        assert limits.shared is False
        await line.mend()
        while not limits.shared:
            await asyncio.sleep(0.05)
        await told(limits)
        async with process(line.url) as other:  # nothing was forgotten
            assert await admitted(other, SLOW, "a", 10) == 0


async def test_many_callers_cost_bounded_memory(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdp.limits._MOST", 50)
    async with process(running.redis_url) as limits:
        assert await admitted(limits, SLOW, "busy", 100) == 100
        await told(limits)
        for number in range(200):
            await limits.check(SLOW, str(number))
        assert len(limits._buckets) <= 50
        assert await admitted(limits, SLOW, "busy", 1) == 0


def test_an_address_stands_for_a_customer() -> None:
    assert caller("192.0.2.7") == "192.0.2.7"
    assert caller("2001:db8:1:2:3:4:5:6") == caller("2001:db8:1:2::") == "2001:db8:1:2::"
    assert caller("fe80::1%eth0") == "fe80::"
    assert caller("nonsense:") == "nonsense:"


@asynccontextmanager
async def limited(instance: Instance, **rates: int) -> AsyncIterator[Api]:
    settings = replace(instance.settings, **rates)  # type: ignore[arg-type]
    async with api_on(replace(instance, settings=settings)) as made:
        yield made


PAGES = {"batch": [{"type": "page", "anonymousId": "a"}] * 10}


async def test_a_write_key_over_its_rate_is_told_when_to_come_again(instance: Instance) -> None:
    async with limited(instance, rate_per_key=1) as api:
        answers = [await api.send("/v1/batch", PAGES) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 429]
        refused = answers[1]
        assert set(refused.json()) == {"code", "message"}
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["ratelimit-policy"] == '"key";q=10;w=10'
        assert refused.headers["ratelimit"] == f'"key";r=0;t={refused.headers["retry-after"]}'
        picture = await api.client.get(
            "/v1/pixel/page", params={"writeKey": instance.keys["write_key"], "anonymousId": "a"}
        )
        assert picture.status_code == 200


async def test_an_address_over_its_rate_is_refused_whatever_its_key(instance: Instance) -> None:
    async with limited(instance, rate_per_address=1) as api:
        unknown = {"x-write-key": "unknown"}
        answers = [await api.send("/v1/batch", PAGES, **unknown) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 429]
        damaged = await api.client.post("/v1/batch", content=b"{")
        assert damaged.status_code == 429  # its body was not looked at
        assert (await api.call("GET", "/segments")).status_code == 200


async def test_an_api_key_has_its_rate(instance: Instance) -> None:
    async with limited(instance, rate_per_key=1) as api:
        answers = [await api.call("GET", "/segments") for _ in range(11)]
        assert [each.status_code for each in answers] == [200] * 10 + [429]
        problem = answers[-1].json()
        assert (problem["status"], problem["title"]) == (429, "Too many requests")


async def test_guessing_keys_ends_soon_and_hurts_nobody_who_has_one(instance: Instance) -> None:
    async with limited(instance, rate_failures=5) as api:
        assert (await api.call("GET", "/segments")).status_code == 200
        guesses = [
            await api.client.get("/api/v1/segments", headers={"authorization": f"Bearer cdp_{n}"})
            for n in range(8)
        ]
        assert [each.status_code for each in guesses] == [401] * 5 + [429] * 3
        assert (await api.call("GET", "/segments")).status_code == 200
        assert (await api.client.get("/api/v1/segments")).status_code == 401  # no guess


async def test_two_api_processes_share_one_budget(running: Running, tmp_path: Path) -> None:
    environment = running.environment() | {"CDP_RATE_PER_KEY": "2", "CDP_LOG_LEVEL": "warning"}
    with Alone.migrated(tmp_path, environment) as alone, alone.api() as one, alone.api() as two:
        key = {"x-write-key": alone.keys["write_key"]}
        async with httpx.AsyncClient(trust_env=False, headers=key) as client:
            taken, begun = 0, time.monotonic()
            for _ in range(20):
                for url in (one, two):
                    answer = await client.post(f"{url}/v1/batch", json=PAGES)
                    assert answer.status_code in {200, 429}
                    taken += 10 * (answer.status_code == 200)
                await asyncio.sleep(0.15)
            # 20 at once and 2 a second; and a batch more in each, which is then owed.
            assert 20 <= taken <= 20 + 2 * (time.monotonic() - begun) + 20
