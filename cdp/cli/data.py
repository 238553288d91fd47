"""`cdp status`, `cdp digest`, `cdp replay`: look at the state, and rebuild it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.digest import Digest


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def status(
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ) -> None:
        """Show how the platform is doing."""
        numbers, parked = asyncio.run(_status())
        if as_json:
            typer.echo(json.dumps(numbers))
        else:
            _print_status(numbers, parked)

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
    from cdp import digest, instance, main

    settings = Settings.from_env()
    with instance.services(settings) as running:
        core = main.assemble(settings, running)
        async with core.database.snapshot() as connection:
            found = await digest.all_of(connection, core.keyring)
        await core.close()
    return found


async def _replay(*, verify: bool) -> bool:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from cdp import instance, main
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
                bars.console.print(f"Every projection is rebuilt from {count:,} events.")
                return True
            comparisons = await until_quiet(replay)
            for task in bars.tasks:
                bars.update(task.id, total=task.completed)
    for live, replayed in comparisons:
        word = "equal" if live == replayed else "DIFFERS"
        typer.echo(f"{live.projection:12} {live.rows:>12,}  {live.sha256[:16]}  {word}")
    return all(comparison.equal for comparison in comparisons)


async def _status() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    from cdp import instance, status
    from cdp.db import Database

    settings = Settings.from_env()
    with instance.services(settings) as running:
        database = Database(running.database_url)
        async with database.transaction() as connection:
            found = await status.read(connection), await status.parked(connection)
        await database.close()
    return found


def _print_status(numbers: dict[str, Any], parked: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(show_header=False, box=None)
    for name, value in numbers.items():
        several = isinstance(value, dict)
        counts = value if several else {"": value}
        told = "  ".join(f"{key} {count:,}".strip() for key, count in counts.items())
        table.add_row(name, told or "none")
    console.print(table)
    for each in parked:
        where = f"{each['topic']}/{each['partition']}@{each['offset']}"
        console.print(f"[red]parked[/red] {where}  {each['error']}  {each['at']:%Y-%m-%d %H:%M}")
