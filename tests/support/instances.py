"""Instances made inside a test, for those that need more than one or compare several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI

from cdp.application import application
from cdp.assembly import Core, assemble, prepare
from cdp.instance import Running
from cdp.main import FILES, pipeline
from cdp.settings import Settings
from cdp.telemetry import Traces
from tests.support.driver import Driver
from tests.support.stores import MASTER_KEY, PLACE


@dataclass
class Instance:
    """A core on a database of its own, with its keys and a driver for its pipeline."""

    core: Core
    keys: dict[str, str]
    driver: Driver
    settings: Settings
    traces: Traces | None = None


@dataclass
class Api:
    """The HTTP application in this process, spoken to by a real client.

    Who is told to come again in a moment does so, as every SDK; not where the refusal is looked at.
    """

    app: FastAPI
    client: httpx.AsyncClient
    instance: Instance
    tries: int = 4

    async def send(self, path: str, content: object, **headers: str) -> httpx.Response:
        """POST JSON to the collector with the write key."""
        key = {"x-write-key": self.instance.keys["write_key"]}
        return await self._answer("POST", path, json=content, headers=key | headers)

    async def call(self, method: str, path: str, **options: object) -> httpx.Response:
        """A request to the management API with the API key."""
        headers = {"authorization": f"Bearer {self.instance.keys['api_key']}"}
        return await self._answer(method, f"/api/v1{path}", headers=headers, **options)

    async def _answer(self, method: str, path: str, **options: object) -> httpx.Response:
        for _ in range(self.tries - 1):
            answer = await self.client.request(method, path, **options)  # type: ignore[arg-type]
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
        return await self.client.request(method, path, **options)  # type: ignore[arg-type]

    async def put(self, path: str, content: object) -> dict[str, object]:
        """A PUT that must succeed."""
        answer = await self.call("PUT", path, json=content)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, path: str) -> dict[str, object]:
        """A GET that must succeed."""
        answer = await self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def settle(self) -> None:
        """Let the pipeline catch up."""
        await self.instance.driver.settle()


@asynccontextmanager
async def instance_on(
    running: Running,
    data_dir: Path,
    traces: Traces | None = None,
    *,
    place: str = PLACE,
    master_key: str = MASTER_KEY,
) -> AsyncIterator[Instance]:
    """Everything but the processes."""
    settings = Settings(data_dir=data_dir, master_key=master_key, jurisdiction=place)
    core = assemble(settings, running)
    keys = await prepare(settings, core)
    files = data_dir / FILES
    async with pipeline(core, traces, public_url="http://cdp.test", files=files) as work:
        yield Instance(core, keys, Driver(core, work), settings, traces)
    await core.close()


@asynccontextmanager
async def api_on(instance: Instance) -> AsyncIterator[Api]:
    """Collector and management API over an instance."""
    app = application(instance.settings, instance.core, instance.traces)
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 5000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://cdp.test") as client,
    ):
        yield Api(app, client, instance)
