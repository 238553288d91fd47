"""`cdp parked`: what agents could not handle, and handing it to them again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from cdp.cli import acting
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.stream.parking import Outcome


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(no_args_is_help=True, help="Records that an agent could not handle.")
    app.add_typer(commands, name="parked")

    @commands.command(name="list")
    def listed() -> None:
        """Show the oldest, with their errors."""
        rows = asyncio.run(_listed())
        for row in rows:
            where = f"{row['topic']}/{row['partition']}@{row['offset']}"
            typer.echo(f"{row['at']:%Y-%m-%d %H:%M}  {where:24}  {row['error']}")
        if not rows:
            typer.echo("Nothing is parked.")

    @commands.command()
    def retry() -> None:
        """Hand all of them to their agents again, after a fix; exit code 1 if some fail again."""
        outcomes = asyncio.run(_retry())
        failed = [outcome for outcome in outcomes if outcome.error]
        for outcome in failed:
            where = f"{outcome.topic}/{outcome.partition}@{outcome.offset}"
            typer.echo(f"{where:24}  {outcome.error}")
        typer.echo(f"{len(outcomes) - len(failed)} handled, {len(failed)} still parked.")
        if failed:
            raise typer.Exit(1)


async def _listed() -> list[dict[str, object]]:
    from cdp import instance
    from cdp.db import Database
    from cdp.stream import parking

    with instance.services(Settings.from_env()) as running:
        database = Database(running.database_url)
        async with database.transaction() as connection:
            found = await parking.listed(connection, limit=100)
        await database.close()
    return found


async def _retry() -> list[Outcome]:
    from cdp import assembly, instance, main
    from cdp.stream import parking

    settings = Settings.from_env()
    with instance.services(settings) as running:
        core = assembly.assemble(settings, running)
        async with main.pipeline(core, files=settings.data_dir / main.FILES) as work:
            stages = main.stages(core, work, settings.chunk_events)
            outcomes = [each async for each in parking.retry(core.database, stages)]
            await work.sends.idle()
        async with core.database.transaction() as connection:
            await acting.note(connection, core.vault, "cdp parked retry")
        await core.close()
    return outcomes
