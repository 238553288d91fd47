"""A worker whose consumer stands still is ended, and says why."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from cdp.errors import ConfigurationError, StoreUnavailable
from cdp.stream.watchdog import CutOff, Progress, Stalled, watch, watch_store


def app(*, silent: float = 0.0, crash: Exception | None = None) -> SimpleNamespace:
    consumer = SimpleNamespace(seen_alive=time.monotonic() - silent)
    return SimpleNamespace(consumer=consumer, crashed=crash is not None, crash_reason=crash)


async def test_a_consumer_that_fetches_is_let_be() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await watch(app(silent=5.0), patience=60.0, every=0.001)


async def test_a_silent_consumer_ends_its_worker() -> None:
    with pytest.raises(Stalled, match="nothing for 61 s"):
        await watch(app(silent=61.0), patience=60.0, every=0.001)


async def test_what_faust_gave_up_on_ends_it_too() -> None:
    with pytest.raises(Stalled, match="ValueError") as caught:
        await watch(app(crash=ValueError("join failed")), patience=60.0, every=0.001)
    assert isinstance(caught.value.__cause__, ValueError)


async def test_an_error_of_ours_is_told_as_it_is() -> None:
    with pytest.raises(ConfigurationError, match="the wrong topic"):
        await watch(app(crash=ConfigurationError("the wrong topic")), patience=60.0, every=0.001)


def test_what_stands_still_is_counted_from_its_last_move() -> None:
    now = 0.0
    progress = Progress(lambda: now)
    assert progress.silent(1, left=True) == 0
    now = 40.0
    assert progress.silent(1, left=True) == 40
    assert progress.silent(2, left=True) == 0
    now = 90.0
    assert progress.silent(2, left=False) == 0  # nothing to do is no standstill
    now = 120.0
    assert progress.silent(2, left=True) == 30


async def test_a_store_that_is_away_for_long_ends_a_worker() -> None:
    answers = iter([True, False, True, *[False] * 100])
    asked = 0

    async def must_answer(seconds: float) -> None:
        nonlocal asked
        asked += 1
        if not next(answers):
            raise StoreUnavailable("away")

    with pytest.raises(CutOff, match="the store has not answered"):
        await watch_store(must_answer, patience=0.05, every=0.01)
    assert asked >= 6
