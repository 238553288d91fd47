"""`cdp keys`: show the first keys, make more, revoke."""

from __future__ import annotations

import asyncio
import enum
import json
from typing import Annotated

import typer

from cdp.errors import ConfigurationError
from cdp.settings import Settings


class Which(enum.StrEnum):
    """The two keys that every platform has from the start."""

    WRITE = "write"
    API = "api"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="Write keys for sources, API keys for operators.")
    app.add_typer(keys, name="keys")

    @keys.command()
    def show(
        which: Annotated[Which | None, typer.Argument(help="Only this one, bare.")] = None,
        *,
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ) -> None:
        """Show the keys minted at the first start. Others are stored as hashes only."""
        from cdp.instance import read_keys

        settings = Settings.from_env()
        found = read_keys(settings)
        if found is None:
            raise ConfigurationError(f"no keys in {settings.data_dir}: start with `cdp up` first")
        if as_json:
            typer.echo(json.dumps(found))
        elif which:
            typer.echo(found[f"{which.value}_key"])
        else:
            typer.echo(f"write key  {found['write_key']}\nAPI key    {found['api_key']}")

    @keys.command()
    def create(
        name: Annotated[str, typer.Argument(help="What it is for.")],
        api: Annotated[bool, typer.Option("--api", help="An API key, not a write key.")] = False,
        scope: Annotated[
            list[str] | None, typer.Option(help="What the API key may do; `*` for everything.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ) -> None:
        """Make a key. It is shown once."""
        key = asyncio.run(_create(name, api=api, scopes=scope or ["*"]))
        typer.echo(json.dumps({"key": key}) if as_json else key)

    @keys.command()
    def revoke(key: Annotated[str, typer.Argument(help="The key itself.")]) -> None:
        """Make a key useless."""
        if not asyncio.run(_revoke(key)):
            raise ConfigurationError("no such key, or revoked before")
        typer.echo("Revoked.")


async def _create(name: str, *, api: bool, scopes: list[str]) -> str:
    from cdp import instance
    from cdp.api.auth import SCOPES
    from cdp.collect import keys
    from cdp.db import Database

    unknown = set(scopes) - {*SCOPES, "*"}
    if unknown:
        raise ConfigurationError(f"no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    settings = Settings.from_env()
    with instance.services(settings) as running:
        database = Database(running.database_url)
        async with database.transaction() as connection:
            if api:
                key = keys.new_api_key()
                await keys.add_api_key(connection, name, key, scopes)
            else:
                key = keys.new_write_key()
                await keys.add_source(connection, name, key)
        await database.close()
    return key


async def _revoke(key: str) -> bool:
    from cdp import instance
    from cdp.collect import keys
    from cdp.db import Database

    settings = Settings.from_env()
    with instance.services(settings) as running:
        database = Database(running.database_url)
        async with database.transaction() as connection:
            done = await keys.revoke(connection, key)
        await database.close()
    return done
