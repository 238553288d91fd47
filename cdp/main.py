"""Where everything is wired together, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import psycopg
import structlog
import uvicorn
from fastapi import FastAPI

import consent.model as consent_model
import consent.store as consent_store
from activation.stage import Activation
from cdp.api.app import create
from cdp.api.auth import Keys
from cdp.api.parts import Parts
from cdp.builds import Builder
from cdp.cache import Views
from cdp.collect import keys
from cdp.collect.collector import Collector
from cdp.collect.keys import Sources
from cdp.collect.request import Visitors
from cdp.collect.routes import Collecting
from cdp.db import Database
from cdp.errors import StoreUnavailable
from cdp.events import DELIVERIES, EVENTS, TOUCHED, Event
from cdp.instance import Running, keep_keys, master_key, read_keys
from cdp.jobs import Jobs
from cdp.log.appender import Appender, Bounds
from cdp.log.keyring import Keyring
from cdp.log.vault import Vault
from cdp.migrate import migrate, partitions_of
from cdp.people import People
from cdp.pipeline import Pipeline
from cdp.replay import SCHEMA, Progress, Replay
from cdp.settings import Settings
from cdp.stream.agents import Agents
from cdp.stream.postgres import PostgresBroker
from cdp.stream.stage import Stage
from consent.gate import CollectionGate
from identity import identifiers
from identity.model import Rules
from identity.stage import Identity
from profiles.stage import Profiles

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that every process has."""

    database: Database
    partitions: int
    vault: Vault
    keyring: Keyring
    people: People
    pipeline: Pipeline

    async def close(self) -> None:
        """Let go of every connection."""
        await self.pipeline.activation.client.aclose()
        await self.people.views.close()
        await self.database.close()


def assemble(settings: Settings, running: Running, *, schema: str = "") -> Core:
    """Put the parts together; `schema` holds projections beside the live ones."""
    vault = Vault(master_key(settings))
    partitions = partitions_of(running.database_url, key_check=vault.check)
    database = Database(running.database_url, schema=schema)
    keyring = Keyring(vault)
    profiles = Profiles(vault.subject, replaying=bool(schema))
    people = People(keyring, profiles, Views(running.redis_url))
    client = httpx.AsyncClient(trust_env=False, follow_redirects=False)
    pipeline = Pipeline(
        database=database,
        partitions=partitions,
        keyring=keyring,
        identity=Identity(vault.subject, Rules()),
        profiles=profiles,
        people=people,
        activation=Activation(client, lambda key, sealed: _secret(vault, key, sealed)),
    )
    return Core(database, partitions, vault, keyring, people, pipeline)


def _secret(vault: Vault, key: str, sealed: bytes) -> str:
    return vault.system.open(sealed, b"secret" + key.encode()).decode()


def subject_of(vault: Vault, event: Event) -> bytes:
    """Whom an event belongs to. Events about nobody share a few keys of their own."""
    subject = identifiers.read(event).subject
    if subject is not None:
        return vault.subject(*subject)
    return vault.subject("", f"nobody {event.id[0] % 16}")


def bring_up_to_date(settings: Settings, running: Running) -> None:
    """Run the migrations that are missing."""
    check = Vault(master_key(settings)).check
    migrate(running.database_url, partitions=settings.partitions, key_check=check)


async def prepare(settings: Settings, core: Core) -> dict[str, str]:
    """The first keys and the default purposes; does nothing where they exist."""
    async with core.database.transaction() as connection:
        await consent_store.seed(connection)
    minted = read_keys(settings)
    if minted is None:
        minted = {"write_key": keys.new_write_key(), "api_key": keys.new_api_key()}
        keep_keys(settings, **minted)
    async with core.database.transaction() as connection:
        await keys.add_source(connection, "first", minted["write_key"])
        await keys.add_api_key(connection, "first", minted["api_key"], ["*"])
    return minted


def application(settings: Settings, core: Core) -> FastAPI:
    """Collector and API."""
    gate = CollectionGate()
    bounds = Bounds(settings.linger_ms / 1000, settings.max_pending, settings.commit_timeout)
    appender = Appender(core.database, core.keyring, core.partitions, gate, bounds)
    collector = Collector(
        appender=appender,
        sources=Sources(core.database),
        digest=core.vault.digest,
        subject_of=lambda event: subject_of(core.vault, event),
        carries_consent=lambda event: bool(consent_model.decisions(event)),
        strict_keys=settings.strict_keys,
    )
    visitors = Visitors(filter(None, settings.trusted_proxies.split(",")))
    collecting = Collecting(collector, visitors, settings.public_url, settings.sdk_dir)
    parts = Parts(
        database=core.database,
        partitions=core.partitions,
        vault=core.vault,
        people=core.people,
        appender=appender,
        collector=collector,
        keys=Keys(core.database),
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(appender.run()),
            asyncio.create_task(_follow_consent(core, gate)),
        ]
        for task in tasks:
            task.add_done_callback(_end_process)
        yield
        for task in tasks:
            task.remove_done_callback(_end_process)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await core.close()

    return create(parts, collecting, lifespan)


def _end_process(task: asyncio.Task[None]) -> None:
    """A collector without its writer would only collect promises: end it, loudly."""
    if not task.cancelled():
        log.error("task_ended", error=repr(task.exception()))
        signal.raise_signal(signal.SIGTERM)


async def _follow_consent(core: Core, gate: CollectionGate) -> None:
    """Renew what the collection gate goes by whenever consent or purposes change."""
    while True:
        try:
            async with core.database.driver() as connection:
                await connection.execute("listen cdp_subjects")
                core.keyring.forget_all()
                await _renew(core, gate)
                async for note in connection.notifies():
                    if note.payload == "purposes":
                        await _renew(core, gate)
                    else:
                        core.keyring.forget([bytes.fromhex(note.payload)])
        except (StoreUnavailable, psycopg.Error, OSError) as error:
            log.info("listen_lost", error=type(error).__name__)
        await asyncio.sleep(1.0)


async def _renew(core: Core, gate: CollectionGate) -> None:
    async with core.database.transaction() as connection:
        gate.purposes = await consent_store.purposes(connection)


def serve_api(settings: Settings, running: Running) -> None:
    """Run the API until SIGTERM or SIGINT."""
    core = assemble(settings, running)
    config = uvicorn.Config(
        application(settings, core),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=4,
    )
    tune()
    uvicorn.Server(config).run()


async def run_worker(settings: Settings, running: Running) -> None:
    """Run the agents until SIGTERM or SIGINT."""
    core = assemble(settings, running)
    tune()
    stages = [
        Stage(topic, handle, core.database, core.partitions)
        for topic, handle in (
            (EVENTS, core.pipeline.on_events),
            (TOUCHED, core.pipeline.on_touched),
            (DELIVERIES, core.pipeline.on_deliveries),
        )
    ]
    broker = PostgresBroker(core.database, core.partitions)
    agents = Agents(broker, stages, chunk_events=settings.chunk_events)
    try:
        await agents.run(stop_on_signals())
    finally:
        await core.close()


async def run_scheduler(settings: Settings, running: Running) -> None:
    """Run the scheduler until SIGTERM or SIGINT."""
    core = assemble(settings, running)
    tune()
    builder = Builder(core.database, core.partitions, core.keyring, core.pipeline.profiles)
    try:
        await Jobs(core.database, core.partitions, builder).run(stop_on_signals())
    finally:
        await core.close()


@contextlib.asynccontextmanager
async def replaying(
    settings: Settings, running: Running, progress: Progress = lambda *_: None
) -> AsyncIterator[Replay]:
    """A replay over this instance's log."""
    core = assemble(settings, running, schema=SCHEMA)
    live = Database(running.database_url)
    try:
        yield Replay(live, core.pipeline, progress)
    finally:
        await live.close()
        await core.close()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def tune() -> None:
    """Collect garbage less often: most of what we make is short-lived and free of cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
