"""A process without an API shows its metrics and that it lives, on a port of its own if asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cdp import exposition, metrics
from cdp.errors import ConfigurationError
from cdp.exposition import exposed
from cdp.services.server import free_port
from tests.support.samples import of_text


async def get(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def test_metrics_and_liveness() -> None:
    port = free_port()
    async with exposed("127.0.0.1", port, metrics.registry("worker")):
        assert (await get(port, "/health/live")).json() == {"status": "ok"}
        told = await get(port, "/metrics")
        assert (await get(port, "/other")).status_code == 404
    assert told.headers["content-type"].startswith("text/plain")
    assert 'cdp_build_info{process="worker",version="0.1.0"}' in of_text(told.text)
    with pytest.raises(httpx.ConnectError):
        await get(port, "/health/live")


async def test_a_loop_that_hangs_is_no_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "LIVE_SECONDS", 0.1)
    port = free_port()
    async with exposed("127.0.0.1", port, metrics.registry("worker")):
        url = f"http://127.0.0.1:{port}/health/live"
        with ThreadPoolExecutor(1) as elsewhere:  # and the loop waits for it, doing nothing else
            answer = elsewhere.submit(httpx.get, url, trust_env=False, timeout=10).result()
    assert (answer.status_code, answer.json()) == (503, {"status": "stuck"})


async def test_nothing_listens_unless_asked() -> None:
    async with exposed("127.0.0.1", 0, metrics.registry("worker")):
        pass


async def test_a_port_in_use_is_named_with_the_fix() -> None:
    port = free_port()
    async with exposed("127.0.0.1", port, metrics.registry("worker")):
        with pytest.raises(ConfigurationError, match=f"port {port}.*set CDP_METRICS_PORT"):
            async with exposed("127.0.0.1", port, metrics.registry("worker")):
                pass
