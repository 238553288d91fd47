"""Where the agents' parts are wired to those that all processes have (see `assembly`).

Each process imports what it needs: the API no Faust, the worker no FastAPI.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from cdp.assembly import Core, assemble
from cdp.cluster import Cluster
from cdp.db import Database
from cdp.errors import ConfigurationError
from cdp.events import DELIVERIES, EVENTS, TOUCHED
from cdp.instance import Running
from cdp.locks import Lock
from cdp.settings import Settings
from cdp.telemetry import Traces

if TYPE_CHECKING:
    import httpx

    from activation.opening import Connectors
    from activation.stage import Activation
    from activation.wire import Wire
    from cdp.pipeline import Pipeline
    from cdp.replay import Progress, Replay
    from cdp.stream.agents import Agents
    from cdp.stream.broker import Topics
    from cdp.stream.kafka.relay import Relay
    from cdp.stream.stage import Stage

FILES = "files"  # below the data directory: what destinations of that kind have written


@contextlib.asynccontextmanager
async def pipeline(
    core: Core,
    traces: Traces | None = None,
    *,
    private_webhooks: bool = True,
    public_url: str = "",
    files: Path | None = None,
) -> AsyncIterator[Pipeline]:
    """The three agents' work; `public_url` is where people reach us, for links in messages.

    Below `files` are those that destinations have written.
    """
    import httpx

    from activation.campaigns.stage import Campaigns
    from activation.wire import Wire
    from cdp.delivery.sending import Sends
    from cdp.pipeline import Pipeline
    from cdp.privacy import telling
    from identity.rulebook import RuleBook
    from identity.stage import Identity

    history = not core.people.profiles.replaying
    identity = Identity(core.vault.subject, RuleBook(), keeps_history=history)
    core.keyring.also_forget.append(lambda _: identity.memory.clear())
    wire = Wire(private=private_webhooks)
    async with httpx.AsyncClient(transport=wire, timeout=None) as client:  # noqa: S113 - kinds have
        connectors = _connectors(
            core, (client, wire), (files, public_url), private=private_webhooks
        )
        activation = _activation(core, connectors, public_url)
        sends = Sends(core.database, activation, traces)
        try:
            yield Pipeline(
                database=core.database,
                partitions=core.partitions,
                keyring=core.keyring,
                identity=identity,
                profiles=core.people.profiles,
                people=core.people,
                activation=activation,
                sends=sends,
                campaigns=Campaigns(functools.partial(telling.sealed, core.vault.system)),
                traces=traces,
            )
        finally:
            await sends.close()
            await connectors.close()


def _connectors(
    core: Core,
    ways: tuple[httpx.AsyncClient, Wire],
    ours: tuple[Path | None, str],
    *,
    private: bool,
) -> Connectors:
    """What destinations are reached by; their secrets are sealed with the system's key.

    `ways` are a client and the wire beneath it; `ours` is where files are written, and where
    people reach us.
    """
    from activation.kinds.protocol import Reach
    from activation.opening import Connectors
    from cdp.delivery.bouncing import Unreachable
    from cdp.delivery.finding import Finding
    from cdp.delivery.responses import Tracking
    from cdp.delivery.subscriptions import Gone

    (client, wire), (files, public_url) = ways, ours
    system = core.vault.system
    finding = Finding(core.database, core.keyring, core.partitions)
    reach = Reach(
        client,
        private,
        Gone(finding),
        files,
        Tracking(core.vault, public_url.rstrip("/")),
        Unreachable(finding),
        wire,
    )
    return Connectors(
        reach, lambda key, sealed: system.open(sealed, b"secret" + key.encode()).decode()
    )


def _activation(core: Core, connectors: Connectors, public_url: str) -> Activation:
    """What requests and makes deliveries."""
    from activation.campaigns.fallback import Fallback
    from activation.composing import Composing
    from activation.lanes.stage import Lanes
    from activation.pacing.stage import Pacing
    from activation.stage import Activation
    from cdp.delivery import composing
    from cdp.privacy import telling

    told = functools.partial(telling.opened, core.vault.system)
    links = composing.links(core.vault, public_url.rstrip("/"))
    made = Composing(composing.properties(core.keyring), links)
    fallback = Fallback(functools.partial(telling.sealed, core.vault.system))
    return Activation(connectors, told, Pacing(told, Lock.PACING), Lanes(), made, fallback)


def stages(core: Core, work: Pipeline, most: int) -> list[Stage]:
    """The three agents' work, and the topics it comes from; `most` records make a full chunk."""
    from activation.stage import AT_ONCE
    from cdp.stream.stage import Stage

    database, partitions = core.database, core.partitions
    return [
        Stage(EVENTS, work.on_events, database, partitions, most, work.traces),
        Stage(TOUCHED, work.on_touched, database, partitions, most, work.traces),
        Stage(DELIVERIES, work.on_deliveries, database, partitions, AT_ONCE),
    ]


def agents(settings: Settings, core: Core, work: Pipeline) -> Agents:
    """The three agents, over Kafka where there is one, else over the log in PostgreSQL."""
    from cdp.stream.agents import Agents

    return Agents(
        topics(settings, core),
        stages(core, work, settings.chunk_events),
        store=core.database if settings.kafka_url else None,
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


@contextlib.asynccontextmanager
async def replaying(
    settings: Settings,
    running: Running,
    progress: Progress = lambda *_: None,
    *,
    restoring: bool = False,
) -> AsyncIterator[Replay]:
    """A replay over this instance's log."""
    from cdp.replay import SCHEMA, Replay

    core = assemble(settings, running, schema=SCHEMA, restoring=restoring)
    live = Database(running.database_url, knows=core.vault.checks)
    try:
        async with pipeline(core) as shadow:
            yield Replay(live, shadow, progress)
    finally:
        await live.close()
        await core.close()
