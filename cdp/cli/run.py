"""The parts alone: `cdp api`, `worker`, `scheduler`, `relay`; and `cdp health`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from cdp.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (api, worker, scheduler, relay, health):
        app.command()(command)


def api() -> None:
    """Run the HTTP API: collector and management."""
    _end_on_signals()
    from cdp import instance, logs, processes

    settings = Settings.from_env()
    logs.configure(settings.log_level, "api")
    with instance.services(settings) as running:
        processes.serve_api(settings, running)


def worker() -> None:
    """Run the agents."""
    _end_on_signals()
    from cdp import processes

    in_session(processes.run_worker, "worker")


def scheduler() -> None:
    """Run timers, retries and builds."""
    _end_on_signals()
    from cdp import processes

    in_session(processes.run_scheduler, "scheduler")


def relay() -> None:
    """Publish the log to Kafka, where `CDP_KAFKA_URL` says."""
    _end_on_signals()
    from cdp import processes

    in_session(processes.run_relay, "relay")


def health(
    url: Annotated[str, typer.Argument(help="The API of these settings, if left out.")] = "",
) -> None:
    """Ask a process how it is: exit code 0 if it is well, 1 if not."""
    from cdp.cli import ask_health

    ask_health(url)


def _end_on_signals() -> None:
    """Until a part has its own way to end: at once, for there is nothing yet to be put in order.

    A container's first process is not even ended by signals that it does not handle. An exception
    would not do: raised in the middle of a library's callback it may be lost.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


def in_session(work: Callable[..., Awaitable[None]], process: str) -> None:
    """Run to the end, on the stores that the settings name."""
    import uvloop

    from cdp import instance, logs

    settings = Settings.from_env()
    logs.configure(settings.log_level, process)
    with (
        instance.services(settings) as running,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):

        async def session() -> None:
            await work(settings, running)

        runner.run(session())
