"""How much one key or one address may send: counted here, and shared through Valkey.

A request looks at a number in this process, and never waits for Valkey. Ten times a second each
process tells Valkey what it has let through and hears what all have left together. What several
of them let through in such a moment beyond the budget is owed, and paid off before anything else
passes: over time the budget holds to the event, however many processes there are.

While Valkey is away each process goes by its own numbers: nobody within the budget is refused.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import redis.asyncio as redis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from cdp import metrics
from cdp.errors import TooMany
from cdp.stopping import heed_cancellation

BURST_SECONDS = 10  # who was quiet may send so many seconds' worth at once
_TICK = 0.1  # seconds between two exchanges with Valkey
_ANSWER_SECONDS = 0.5  # Valkey has to answer an exchange
_AWAY_SECONDS = 1.0  # between tries while it does not
_MOST = 50_000  # buckets kept here; one is worth keeping only while it is not full
_SCRIPT = """
local rate, burst, used = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('time')
local now = time[1] + time[2] / 1e6
local kept = redis.call('hmget', KEYS[1], 'level', 'at')
local level = burst
if kept[1] then level = math.min(burst, kept[1] + math.max(0, now - kept[2]) * rate) end
level = level - used
redis.call('hset', KEYS[1], 'level', tostring(level), 'at', string.format('%.6f', now))
redis.call('pexpire', KEYS[1], math.ceil((burst - level) / rate * 1000) + 1000)
return tostring(level)
"""

log = structlog.get_logger(__name__)


class Budget(NamedTuple):
    """So much a second, and so much at once after a pause; `name` is what answers call it."""

    name: str
    rate: float
    burst: float

    @classmethod
    def per_second(cls, name: str, rate: int) -> Budget | None:
        """None, for no limit, if the rate is 0."""
        return cls(name, rate, rate * BURST_SECONDS) if rate else None

    @classmethod
    def per_minute(cls, name: str, count: int) -> Budget | None:
        """Likewise, all of a minute's at once."""
        return cls(name, count / 60, count) if count else None


class _Bucket:
    """What one key or address has left; below 0 it owes."""

    __slots__ = ("at", "budget", "level", "name", "unsaid")

    def __init__(self, name: str, budget: Budget) -> None:
        self.name, self.budget = name, budget
        self.level, self.at = budget.burst, time.monotonic()
        self.unsaid = 0  # let through, and not told Valkey yet

    def now(self) -> float:
        now, budget = time.monotonic(), self.budget
        self.level = min(budget.burst, self.level + (now - self.at) * budget.rate)
        self.at = now
        return self.level


class Limits:
    """Budgets of this process's callers, shared with all other processes on the same Valkey."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(_SCRIPT)
        self._buckets: dict[str, _Bucket] = {}
        self._changed: dict[str, _Bucket] = {}
        self._wake = asyncio.Event()
        self.shared = True  # whether Valkey answered last
        metrics.rates_shared.set(1)

    async def take(self, budget: Budget | None, who: str, cost: int = 1) -> None:
        """Count `cost`; TooMany if nothing is left. What is over the rest is owed, not refused."""
        if budget is None:
            return
        bucket = await self._bucket(budget, who)
        self._check(bucket)
        bucket.level -= cost
        bucket.unsaid += cost
        self._changed[bucket.name] = bucket
        self._wake.set()

    async def check(self, budget: Budget | None, who: str) -> None:
        """TooMany if nothing is left; counts nothing."""
        if budget is not None:
            self._check(await self._bucket(budget, who))

    def _check(self, bucket: _Bucket) -> None:
        level, budget = bucket.now(), bucket.budget
        if level >= 1:
            return
        metrics.over_rate.labels(budget.name).inc()
        wait = max(1, math.ceil((1 - level) / budget.rate))
        window = math.ceil(budget.burst / budget.rate)
        raise TooMany(
            f"over the rate per {budget.name}; send again in {wait} seconds",
            retry_after=wait,
            policy=f'"{budget.name}";q={math.ceil(budget.burst)};w={window}',
        )

    async def _bucket(self, budget: Budget, who: str) -> _Bucket:
        name = f"limit:{budget.name}:{who}"
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= _MOST:
                self._forget_full()
            bucket = self._buckets[name] = _Bucket(name, budget)
            if self.shared:  # others may have let it through: ask once, then go by the numbers
                await self._exchange([bucket])
        return bucket

    async def run(self) -> None:
        """Exchange numbers with Valkey for as long as the process lives."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = list(self._changed.values()), {}
            if not await self._exchange(changed):
                self._changed = {each.name: each for each in changed} | self._changed
                self._wake.set()
            heed_cancellation()
            await asyncio.sleep(_TICK if self.shared else _AWAY_SECONDS)

    async def _exchange(self, buckets: list[_Bucket]) -> bool:
        """Tell what was let through, hear what is left; False if Valkey does not answer."""
        said = [each.unsaid for each in buckets]
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for each, used in zip(buckets, said, strict=True):
                    values = [each.budget.rate, each.budget.burst, used]
                    await self._script(keys=[each.name], args=values, client=pipe)
                levels = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self._note(shared=False, error=type(error).__name__)
            return False
        self._note(shared=True)
        for each, used, level in zip(buckets, said, levels, strict=True):
            each.unsaid -= used
            each.level, each.at = float(level) - each.unsaid, time.monotonic()
        return True

    def _note(self, *, shared: bool, error: str = "") -> None:
        if shared != self.shared:
            self.shared = shared
            metrics.rates_shared.set(shared)
            if shared:
                log.info("limits_shared_again")
            else:
                log.warning("limits_not_shared", error=error)

    def _forget_full(self) -> None:
        """Nothing is lost: a bucket that is full says no more than one that is not there."""
        self._buckets = {
            name: each
            for name, each in self._buckets.items()
            if each.unsaid or each.now() < each.budget.burst
        }
        if len(self._buckets) >= _MOST:  # Valkey knows them
            self._buckets.clear()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


@dataclass(frozen=True, slots=True)
class Rates:
    """The budgets that the settings give; None where there is no limit."""

    limits: Limits
    key: Budget | None = None  # events of a write key, requests of an API key
    address: Budget | None = None  # events sent from an address
    failures: Budget | None = None  # keys from an address that nobody knows

    @classmethod
    def of(cls, limits: Limits, per_key: int, per_address: int, failures: int) -> Rates:
        """As the settings say it: by the second, failures by the minute; 0 for any number."""
        key, address = (
            Budget.per_second(name, rate)
            for name, rate in (("key", per_key), ("address", per_address))
        )
        return cls(limits, key, address, Budget.per_minute("failures", failures))


def caller(address: str) -> str:
    """Whom an address stands for: of IPv6 the 64 bits that one customer has to choose from."""
    if ":" not in address:
        return address
    try:
        whole = int(ipaddress.IPv6Address(address.partition("%")[0]))
    except ValueError:
        return address
    return str(ipaddress.IPv6Address(whole >> 64 << 64))
