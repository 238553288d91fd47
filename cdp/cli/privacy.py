"""`cdp privacy`: whom a backup has to be told of that were erased since it was made."""

from __future__ import annotations

import asyncio

import typer

from cdp.cli import acting


def register(app: typer.Typer) -> None:
    """Add the commands."""
    privacy = typer.Typer(help="Privacy requests.", no_args_is_help=True)
    privacy.callback()(_privacy)
    privacy.command()(erasures)
    app.add_typer(privacy, name="privacy")


def _privacy() -> None:
    """Privacy requests."""


def erasures() -> None:
    """Print who was erased, as keyed hashes and times: `cdp restore --erased` takes it."""
    asyncio.run(_erasures())


async def _erasures() -> None:
    from cdp.log import erasures as log
    from cdp.privacy import reapplying

    async with acting.opened() as (connection, _):
        for line in reapplying.written(await log.listed(connection)):
            typer.echo(line)
