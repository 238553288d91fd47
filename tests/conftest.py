"""Fixtures: servers once per run, a fresh database and a whole core per test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings

from cdp.instance import Running
from cdp.main import Core, application, assemble, prepare
from cdp.settings import Settings
from tests.support.driver import Driver
from tests.support.stores import MASTER_KEY, Stores, started

hypothesis_settings.register_profile("quick", max_examples=40, deadline=None)
hypothesis_settings.register_profile("full", max_examples=300, deadline=None)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Real PostgreSQL and Valkey."""
    with started(tmp_path_factory.mktemp("stores")) as running:
        yield running


@pytest.fixture
def running(stores: Stores) -> Running:
    """A fresh database."""
    return stores.fresh()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings as a test wants them."""
    return Settings(data_dir=tmp_path, master_key=MASTER_KEY)


@dataclass
class Instance:
    """A core on a fresh database, with its keys and a driver for its pipeline."""

    core: Core
    keys: dict[str, str]
    driver: Driver
    settings: Settings


@pytest.fixture
async def instance(settings: Settings, running: Running) -> AsyncIterator[Instance]:
    """Everything but the processes."""
    core = assemble(settings, running)
    keys = await prepare(settings, core)
    yield Instance(core, keys, Driver(core), settings)
    await core.close()


@dataclass
class Api:
    """The HTTP application in this process, spoken to by a real client."""

    app: FastAPI
    client: httpx.AsyncClient
    instance: Instance

    async def send(self, path: str, content: object, **headers: str) -> httpx.Response:
        """POST JSON to the collector with the write key."""
        key = {"x-write-key": self.instance.keys["write_key"]}
        return await self.client.post(path, json=content, headers=key | headers)

    async def call(self, method: str, path: str, **options: object) -> httpx.Response:
        """A request to the management API with the API key."""
        headers = {"authorization": f"Bearer {self.instance.keys['api_key']}"}
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **options)  # type: ignore[arg-type]

    async def settle(self) -> None:
        """Let the pipeline catch up."""
        await self.instance.driver.settle()


@pytest.fixture
async def api(instance: Instance) -> AsyncIterator[Api]:
    """Collector and management API."""
    app = application(instance.settings, instance.core)
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 5000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://cdp.test") as client,
    ):
        yield Api(app, client, instance)
