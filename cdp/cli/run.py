"""`cdp api`, `cdp worker`, `cdp scheduler`, `cdp relay`, `cdp migrate`: the parts alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import typer

from cdp.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def api() -> None:
        """Run the HTTP API: collector and management."""
        from cdp import instance, logs, processes

        settings = Settings.from_env()
        logs.configure(settings.log_level)
        with instance.services(settings) as running:
            processes.serve_api(settings, running)

    @app.command()
    def worker() -> None:
        """Run the agents."""
        from cdp import processes

        _run(processes.run_worker)

    @app.command()
    def scheduler() -> None:
        """Run timers, retries and builds."""
        from cdp import processes

        _run(processes.run_scheduler)

    @app.command()
    def relay() -> None:
        """Publish the log to Kafka, where `CDP_KAFKA_URL` says."""
        from cdp import processes

        _run(processes.run_relay)

    @app.command()
    def migrate() -> None:
        """Bring the schema up to date; of a new instance also the first keys and purposes."""
        from cdp import processes

        _run(processes.prepare)
        typer.echo("The schema is up to date.")


def _run(work: Callable[..., Awaitable[None]]) -> None:
    import uvloop

    from cdp import instance, logs

    settings = Settings.from_env()
    logs.configure(settings.log_level)
    with (
        instance.services(settings) as running,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):

        async def session() -> None:
            await work(settings, running)

        runner.run(session())
