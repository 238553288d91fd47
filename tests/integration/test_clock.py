"""A host whose clock is wrong goes by the database's."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from cdp import clock, times
from cdp.times import SECOND
from tests.conftest import Api
from tests.support.collected import one_stored

HOUR = 3600 * SECOND


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    times.set_ahead(0)


@pytest.mark.parametrize("off", [HOUR, -HOUR, SECOND // 10, 0])
async def test_instants_are_the_databases(
    api: Api, monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + off * 1000)
    async with clock.following(api.instance.core.database):
        assert abs(times.now() - right() // 1000) < SECOND // 2
        assert (times.ahead() == 0) == (abs(off) < SECOND)
        sent = {"type": "page", "anonymousId": "a"}
        assert (await api.send("/v1/page", sent)).status_code == 200
    event = await one_stored(api)
    assert abs(event.received_at - right() // 1000) < 5 * SECOND
    assert abs(event.at - right() // 1000) < 5 * SECOND
