"""`cdp digest`, `cdp replay`: prove the state, and rebuild it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.digest import Digest


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def digest(
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ) -> None:
        """Print a digest per projection; equal states have equal digests."""
        digests = asyncio.run(_digest())
        if as_json:
            typer.echo(json.dumps({each.projection: each.sha256 for each in digests}))
        else:
            for each in digests:
                typer.echo(f"{each.projection:12} {each.rows:>12,}  {each.sha256}")

    @app.command()
    def replay(
        verify: Annotated[
            bool, typer.Option("--verify", help="Only compare; exit code 1 on a difference.")
        ] = False,
    ) -> None:
        """Rebuild every projection from the log."""
        if not asyncio.run(_replay(verify=verify)):
            raise typer.Exit(1)


async def _digest() -> list[Digest]:
    from cdp import assembly, digest, instance

    settings = Settings.from_env()
    with instance.services(settings) as running:
        core = assembly.assemble(settings, running)
        async with core.database.snapshot() as connection:
            found = await digest.all_of(connection, core.keyring)
        await core.close()
    return found


async def _replay(*, verify: bool) -> bool:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from cdp import instance, main
    from cdp.cli import acting
    from cdp.processes import tune
    from cdp.replay import until_quiet

    tune()
    settings = Settings.from_env()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with instance.services(settings) as running, Progress(*columns, TimeElapsedColumn()) as bars:
        tasks = {what: bars.add_task(what, total=None) for what in ("events", "profiles")}

        def progress(what: str, done: int, of: int) -> None:
            bars.update(tasks[what], completed=done, total=of or None)

        async with main.replaying(settings, running, progress) as replay:
            if not verify:
                count = await replay.replace()
                await acting.noted(settings, running, "cdp replay")
                bars.console.print(f"Every projection is rebuilt from {count:,} events.")
                return True
            comparisons = await until_quiet(replay)
            for task in bars.tasks:
                bars.update(task.id, total=task.completed)
    for live, replayed in comparisons:
        word = "equal" if live == replayed else "DIFFERS"
        typer.echo(f"{live.projection:12} {live.rows:>12,}  {live.sha256[:16]}  {word}")
    return all(comparison.equal for comparison in comparisons)
