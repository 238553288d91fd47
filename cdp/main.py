"""Where everything is wired together, and nowhere else.

Each process imports what it needs: the API no Faust, the worker no FastAPI.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import consent.model as consent_model
import consent.store as consent_store
from cdp.cache import Views
from cdp.cluster import Cluster
from cdp.collect import keys
from cdp.db import Database
from cdp.errors import ConfigurationError
from cdp.events import DELIVERIES, EVENTS, TOUCHED, Event
from cdp.instance import Running, keep_keys, master_key, read_keys
from cdp.log.keyring import Keyring
from cdp.log.vault import Vault
from cdp.migrate import migrate, partitions_of
from cdp.people import People
from cdp.settings import Settings
from consent.gate import CollectionGate
from identity import identifiers
from profiles.shelf import Shelf
from profiles.stage import Profiles

if TYPE_CHECKING:
    from fastapi import FastAPI

    from cdp.jobs import Jobs
    from cdp.pipeline import Pipeline
    from cdp.replay import Progress, Replay
    from cdp.stream.agents import Agents
    from cdp.stream.broker import Topics
    from cdp.stream.kafka.relay import Relay
    from cdp.stream.stage import Stage


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that every process has."""

    database: Database
    partitions: int
    vault: Vault
    keyring: Keyring
    people: People

    async def close(self) -> None:
        """Let go of every connection."""
        await self.people.views.close()
        await self.database.close()


def bring_up_to_date(settings: Settings, running: Running) -> None:
    """Run the migrations that are missing."""
    check = Vault(master_key(settings)).check
    migrate(running.database_url, partitions=settings.partitions, key_check=check)


def assemble(settings: Settings, running: Running, *, schema: str = "") -> Core:
    """Put the parts together; `schema` holds projections beside the live ones."""
    vault = Vault(master_key(settings))
    partitions = partitions_of(running.database_url, key_check=vault.check)
    database = Database(running.database_url, schema=schema)
    keyring = Keyring(vault)
    profiles = Profiles(vault.subject, Shelf(keyring.load), replaying=bool(schema))
    people = People(keyring, profiles, Views(running.redis_url))
    return Core(database, partitions, vault, keyring, people)


async def prepare(settings: Settings, core: Core) -> dict[str, str]:
    """The first keys and the default purposes; does nothing where they exist."""
    minted = read_keys(settings)
    if minted is None:
        minted = {"write_key": keys.new_write_key(), "api_key": keys.new_api_key()}
        keep_keys(settings, **minted)
    async with core.database.transaction() as connection:
        await consent_store.seed(connection)
        await keys.add_source(connection, "first", minted["write_key"])
        await keys.add_api_key(connection, "first", minted["api_key"], ["*"])
    return minted


def subject_of(vault: Vault, event: Event) -> bytes:
    """Whom an event belongs to. Events about nobody share a few keys of their own."""
    subject = identifiers.subject(event)
    if subject is not None:
        return vault.subject(*subject)
    return vault.subject("", f"nobody {event.id[0] % 16}")


def application(settings: Settings, core: Core) -> FastAPI:
    """Collector and API."""
    from cdp.api.app import create
    from cdp.api.auth import Keys
    from cdp.api.background import Background
    from cdp.api.parts import Parts
    from cdp.collect.collector import Collector
    from cdp.collect.request import Visitors
    from cdp.collect.routes import Collecting
    from cdp.log.appender import Appender, Bounds

    gate = CollectionGate()
    bounds = Bounds(settings.linger_ms / 1000, settings.max_pending, settings.commit_timeout)
    appender = Appender(core.database, core.keyring, core.partitions, gate, bounds)
    collector = Collector(
        appender=appender,
        sources=keys.Sources(core.database),
        digest=core.vault.digest,
        subject_of=lambda event: subject_of(core.vault, event),
        says_consent=consent_model.is_about_consent,
        strict_keys=settings.strict_keys,
    )
    visitors = Visitors(filter(None, settings.trusted_proxies.split(",")))
    parts = Parts(
        database=core.database,
        partitions=core.partitions,
        vault=core.vault,
        people=core.people,
        appender=appender,
        collector=collector,
        keys=Keys(core.database),
    )
    collecting = Collecting(collector, visitors, settings.public_url, settings.sdk_dir)
    background = Background(core.database, core.keyring, appender, gate)
    return create(parts, collecting, background.lifespan)


@contextlib.asynccontextmanager
async def pipeline(core: Core) -> AsyncIterator[Pipeline]:
    """The three agents' work."""
    import httpx

    from activation.stage import Activation
    from cdp.pipeline import Pipeline
    from identity.rulebook import RuleBook
    from identity.stage import Identity

    def secret(destination: str, sealed: bytes) -> str:
        return core.vault.system.open(sealed, b"secret" + destination.encode()).decode()

    live = not core.people.profiles.replaying
    identity = Identity(core.vault.subject, RuleBook(), keeps_history=live)
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
        yield Pipeline(
            database=core.database,
            partitions=core.partitions,
            keyring=core.keyring,
            identity=identity,
            profiles=core.people.profiles,
            people=core.people,
            activation=Activation(client, secret),
        )


def stages(core: Core, work: Pipeline, most: int) -> list[Stage]:
    """The three agents' work, and the topics it comes from; `most` records make a full chunk."""
    from activation.stage import AT_ONCE
    from cdp.stream.stage import Stage

    database, partitions = core.database, core.partitions
    return [
        Stage(EVENTS, work.on_events, database, partitions, most),
        Stage(TOUCHED, work.on_touched, database, partitions, most),
        Stage(DELIVERIES, work.on_deliveries, database, partitions, AT_ONCE),
    ]


def agents(settings: Settings, core: Core, work: Pipeline) -> Agents:
    """The three agents, over Kafka where there is one, else over the log in PostgreSQL."""
    from cdp.stream.agents import Agents

    return Agents(
        topics(settings, core), stages(core, work, settings.chunk_events), home=settings.data_dir
    )


def topics(settings: Settings, core: Core) -> Topics:
    """What carries the log to the agents."""
    if settings.kafka_url:
        from cdp.stream.kafka.broker import KafkaBroker

        return KafkaBroker(core.database, core.partitions, Cluster.of(settings.kafka_url))
    from cdp.stream.postgres import PostgresBroker

    return PostgresBroker(core.database, core.partitions)


async def topics_are_there(settings: Settings, core: Core, stop: asyncio.Event) -> bool:
    """Wait for Kafka, where there is one, and declare our topics; False if told to stop."""
    if not settings.kafka_url:
        return True
    from cdp.stream.kafka.topics import until_declared

    return await until_declared(Cluster.of(settings.kafka_url), core.partitions, stop)


def relay(settings: Settings, core: Core) -> Relay:
    """What publishes to Kafka."""
    from cdp.stream.kafka.relay import Relay

    if not settings.kafka_url:
        raise ConfigurationError("CDP_KAFKA_URL is not set: there is nowhere to publish to")
    return Relay(core.database, core.partitions, Cluster.of(settings.kafka_url))


def jobs(core: Core) -> Jobs:
    """What happens by the clock."""
    from cdp.builds import Builder
    from cdp.jobs import Jobs
    from cdp.matchwork import MatchWork
    from cdp.rulework import RuleWork

    builder = Builder(core.database, core.partitions, core.keyring, core.people.profiles)
    rules = RuleWork(core.database, core.partitions, core.people)
    matching = MatchWork(core.database, core.partitions, core.people)
    return Jobs(core.database, core.partitions, builder, rules, matching)


@contextlib.asynccontextmanager
async def replaying(
    settings: Settings, running: Running, progress: Progress = lambda *_: None
) -> AsyncIterator[Replay]:
    """A replay over this instance's log."""
    from cdp.replay import SCHEMA, Replay

    core = assemble(settings, running, schema=SCHEMA)
    live = Database(running.database_url)
    try:
        async with pipeline(core) as shadow:
            yield Replay(live, shadow, progress)
    finally:
        await live.close()
        await core.close()
