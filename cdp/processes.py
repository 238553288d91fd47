"""The processes that a platform consists of, from their first import to their last word."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import structlog

from cdp import assembly, clock, keyset, main, metrics, telemetry
from cdp.errors import ServiceFailed, StoreUnavailable
from cdp.exposition import exposed
from cdp.instance import master_keys
from cdp.migrate import Migration, migrate
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.instance import Running

_DATABASE_SECONDS = 60.0  # to wait for it at the start
_NICE = 5  # on a shared machine: what is sent must be durable before it must be fresh

log = structlog.get_logger(__name__)


def _assembled(settings: Settings, running: Running) -> assembly.Core:
    """The parts, once the database is there: nobody who starts us need know the right order."""
    deadline = time.monotonic() + _DATABASE_SECONDS
    while True:
        try:
            return assembly.assemble(settings, running)
        except StoreUnavailable as error:
            if time.monotonic() > deadline:
                raise
            log.warning("waiting_for_the_database", error=str(error))
            time.sleep(1.0)


def serve_api(settings: Settings, running: Running) -> None:
    """Collector and API, until SIGTERM or SIGINT."""
    from cdp.api import serving
    from cdp.application import application

    core = _assembled(settings, running)
    traces = telemetry.begin("api") if settings.traces else None
    app = application(settings, core, traces)
    app.router.lifespan_context = _observed(settings, core, traces, app.router.lifespan_context)
    server = serving.server(app, settings.host, settings.port, refusing=app.state.refusing)
    tune()
    # Several share the port, and the kernel shares the connections among them.
    server.run([_shared(settings.host, settings.port)] if settings.apis > 1 else None)
    if server.lifespan.should_exit:
        raise ServiceFailed("the API did not end in order: a task that it lives by had failed")


def _observed(
    settings: Settings,
    core: assembly.Core,
    traces: telemetry.Traces | None,
    inner: Callable[[Any], Any],
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Within the server's life: it ends the process by a signal, and nothing comes after."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with watched(settings, "api"), keys_followed(core), inner(app):
            yield
        if traces is not None:
            traces.close()

    return lifespan


def _shared(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    return listener


async def run_worker(settings: Settings, running: Running) -> None:
    """The agents, until SIGTERM or SIGINT."""
    os.nice(_NICE)
    core = _assembled(settings, running)
    try:
        with traced(settings, "worker") as traces:
            async with (
                watched(settings, "worker"),
                clock.following(core.database),
                keys_followed(core),
                main.pipeline(
                    core,
                    traces,
                    private_webhooks=settings.private_webhooks,
                    files=settings.data_dir / main.FILES,
                    public_url=settings.public_url or f"http://127.0.0.1:{settings.port}",
                ) as pipeline,
            ):
                stop = stop_on_signals()
                if not await main.topics_are_there(settings, core, stop):
                    return
                agents = main.agents(settings, core, pipeline)
                tune()
                await agents.run(stop)
    finally:
        await core.close()


async def run_scheduler(settings: Settings, running: Running) -> None:
    """Timers, retries and builds, until SIGTERM or SIGINT."""
    from cdp import clockwork
    from cdp.scheduler import timetable

    os.nice(_NICE)
    core = _assembled(settings, running)
    jobs = clockwork.jobs(core)
    tune()
    try:
        async with (
            watched(settings, "scheduler"),
            clock.following(core.database),
            keys_followed(core),
        ):
            await timetable.keep(jobs, stop_on_signals())
    finally:
        await core.close()


async def run_relay(settings: Settings, running: Running) -> None:
    """From the log to Kafka, until SIGTERM or SIGINT."""
    core = _assembled(settings, running)
    relay = main.relay(settings, core)
    tune()
    try:
        async with watched(settings, "relay"), keys_followed(core):
            await relay.run(stop_on_signals())
    finally:
        await core.close()


def _bring_up_to_date(settings: Settings, running: Running, wanted: Migration | None) -> None:
    check = keyset.opened(running.database_url, master_keys(settings)).check
    count = settings.partitions
    migrate(running.database_url, partitions=count, key_check=check, wanted=wanted)


async def prepare(settings: Settings, running: Running, wanted: Migration | None = None) -> None:
    """Schema and default purposes; nothing is written but to the database."""
    _bring_up_to_date(settings, running, wanted)
    core = assembly.assemble(settings, running)
    try:
        await assembly.seed(core)
    finally:
        await core.close()


async def prepare_with_keys(
    settings: Settings, running: Running, wanted: Migration | None = None
) -> None:
    """Likewise, and the first keys, which the data directory keeps."""
    _bring_up_to_date(settings, running, wanted)
    core = assembly.assemble(settings, running)
    try:
        await assembly.prepare(settings, core)
    finally:
        await core.close()


def watched(settings: Settings, process: str) -> contextlib.AbstractAsyncContextManager[None]:
    """Metrics and liveness of a process that has no API, where they are asked for."""
    return exposed(settings.host, settings.metrics_port, metrics.registry(process))


def keys_followed(core: assembly.Core) -> contextlib.AbstractAsyncContextManager[None]:
    """A master key is taken up while the process runs; what files say is read again for that."""
    return keyset.following(core.database, core.vault, lambda: master_keys(Settings.from_env()))


@contextlib.contextmanager
def traced(settings: Settings, process: str) -> Iterator[telemetry.Traces | None]:
    """What makes spans, where they are asked for."""
    traces = telemetry.begin(process) if settings.traces else None
    try:
        yield traces
    finally:
        if traces is not None:
            traces.close()


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
    gc.set_threshold(500_000, 20, 50)
