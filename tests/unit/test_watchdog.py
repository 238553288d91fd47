"""A worker whose consumer stands still is ended, and says why."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from cdp.errors import ConfigurationError
from cdp.stream.watchdog import Stalled, watch


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
