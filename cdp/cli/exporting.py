"""`cdp export`: events, profiles and memberships as Parquet files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.parquet.exporting import Exported, Progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    directory: Annotated[
        Path, typer.Argument(file_okay=False, help="Where it goes, or is and becomes current.")
    ],
    purpose: Annotated[
        str, typer.Option(help="Only people who allow it are in it, and only what it may see.")
    ] = "analytics",
) -> None:
    """Write Parquet files that DuckDB, Spark and warehouses read, while the platform runs.

    Into a folder that holds an export only events that are new are added; profiles and memberships
    are as they are now.
    """
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks = {what: bars.add_task(what, total=None) for what in ("events", "profiles")}
        made = asyncio.run(
            _run(directory, purpose, lambda what, count: bars.advance(tasks[what], count))
        )
    typer.echo(
        f"{made.events:,} new events, {made.profiles:,} profiles and {made.memberships:,} "
        f"memberships are in {directory}, of people who allow {purpose}."
    )


async def _run(directory: Path, purpose: str, progress: Progress) -> Exported:
    from cdp import assembly, instance
    from cdp.api.contactable import found_purpose
    from cdp.cli import acting
    from cdp.errors import ConfigurationError

    try:
        from cdp.parquet.directory import Directory
        from cdp.parquet.exporting import Exporting, instance_of
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise ConfigurationError("pyarrow is not installed: pip install 'cdp[parquet]'") from None

    settings = Settings.from_env()
    with instance.services(settings) as running:
        core = assembly.assemble(settings, running)
        try:
            async with core.database.transaction() as connection:
                await found_purpose(connection, purpose)
                await acting.note(connection, core.vault, "cdp export", str(directory))
                instance_id = await instance_of(connection)
            into = Directory(directory, instance_id, purpose)
            return await Exporting(core, into, purpose, progress).run()
        finally:
            await core.close()
