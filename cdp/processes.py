"""The processes that a platform consists of, from their first import to their last word."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import TYPE_CHECKING

from cdp import main

if TYPE_CHECKING:
    from cdp.instance import Running
    from cdp.settings import Settings

_NICE = 5  # on a shared machine: what is sent must be durable before it must be fresh


def serve_api(settings: Settings, running: Running) -> None:
    """Collector and API, until SIGTERM or SIGINT."""
    import uvicorn

    core = main.assemble(settings, running)
    config = uvicorn.Config(
        main.application(settings, core),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # whose word counts is `CDP_TRUSTED_PROXIES`' to say
        timeout_graceful_shutdown=4,
    )
    tune()
    uvicorn.Server(config).run()


async def run_worker(settings: Settings, running: Running) -> None:
    """The agents, until SIGTERM or SIGINT."""
    os.nice(_NICE)
    core = main.assemble(settings, running)
    try:
        async with main.pipeline(core) as pipeline:
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
    os.nice(_NICE)
    core = main.assemble(settings, running)
    jobs = main.jobs(core)
    tune()
    try:
        await jobs.run(stop_on_signals())
    finally:
        await core.close()


async def run_relay(settings: Settings, running: Running) -> None:
    """From the log to Kafka, until SIGTERM or SIGINT."""
    core = main.assemble(settings, running)
    relay = main.relay(settings, core)
    tune()
    try:
        await relay.run(stop_on_signals())
    finally:
        await core.close()


async def prepare(settings: Settings, running: Running) -> None:
    """Schema, first keys, default purposes."""
    main.bring_up_to_date(settings, running)
    core = main.assemble(settings, running)
    try:
        await main.prepare(settings, core)
    finally:
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
    gc.set_threshold(500_000, 20, 50)
