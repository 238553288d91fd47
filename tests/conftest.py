"""Fixtures: servers once per run, a fresh database and a whole core per test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from cdp.instance import Running
from cdp.settings import Settings
from tests.support import kafka_jars
from tests.support.instances import Api, Instance, api_on, instance_on
from tests.support.kafka import Kafka
from tests.support.stores import MASTER_KEY, PLACE, Stores, started

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other on few cores

hypothesis_settings.register_profile("quick", max_examples=40, deadline=None)
hypothesis_settings.register_profile("full", max_examples=300, deadline=None)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Real PostgreSQL and Valkey."""
    with started(tmp_path_factory.mktemp("stores")) as running:
        yield running


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real Apache Kafka; skips with the reason where there is no Java or no Maven Central."""
    server = Kafka(tmp_path_factory.mktemp("kafka"), kafka_jars.jars())
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def running(stores: Stores) -> Running:
    """A fresh database."""
    return stores.fresh()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings as a test wants them."""
    return Settings(data_dir=tmp_path, master_key=MASTER_KEY, jurisdiction=PLACE)


@pytest.fixture
async def instance(running: Running, tmp_path: Path) -> AsyncIterator[Instance]:
    """Everything but the processes."""
    async with instance_on(running, tmp_path) as made:
        yield made


@pytest.fixture
async def api(instance: Instance) -> AsyncIterator[Api]:
    """Collector and management API."""
    async with api_on(instance) as made:
        yield made


__all__ = ["Api", "Instance"]
