"""`cdp keys`: show the first keys, make more, revoke."""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from cdp.errors import ConfigurationError
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.db import Connection


class Which(enum.StrEnum):
    """The two keys that every platform has from the start."""

    WRITE = "write"
    API = "api"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="Write keys for sources, API keys for operators.")
    for command in (show, create, revoke):
        keys.command()(command)
    app.add_typer(keys, name="keys")


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


def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    api: Annotated[bool, typer.Option("--api", help="An API key, not a write key.")] = False,
    scope: Annotated[
        list[str] | None, typer.Option(help="What the API key may do; `*` for everything.")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A site that may use the write key; any, if left out."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make a key. It is shown once."""
    origins = [_origin(each) for each in origin or ()]
    if api and origins:
        raise ConfigurationError("--origin is for write keys: API keys stay on servers")
    if scope and not api:
        raise ConfigurationError("--scope is for API keys: give --api too")
    if api:
        key = asyncio.run(_create_api_key(name, scope or ["*"]))
    else:
        key = asyncio.run(_create_write_key(name, origins))
    typer.echo(json.dumps({"key": key}) if as_json else key)


def revoke(key: Annotated[str, typer.Argument(help="The key itself.")]) -> None:
    """Make a key useless."""
    if not asyncio.run(_revoke(key)):
        raise ConfigurationError("no such key, or revoked before")
    typer.echo("Revoked.")


def _origin(written: str) -> str:
    """As browsers send it: scheme, host and port, in lower case."""
    parts = urlsplit(written)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ConfigurationError(f"--origin {written}: write it like https://shop.example.com")
    return f"{parts.scheme}://{parts.netloc}".lower()


async def _create_api_key(name: str, scopes: list[str]) -> str:
    from cdp.api.auth import SCOPES
    from cdp.collect import keys

    unknown = set(scopes) - {*SCOPES, "*"}
    if unknown:
        raise ConfigurationError(f"no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    key = keys.new_api_key()
    async with _stored() as connection:
        await keys.add_api_key(connection, name, key, scopes)
    return key


async def _create_write_key(name: str, origins: list[str]) -> str:
    from cdp.collect import keys

    key = keys.new_write_key()
    async with _stored() as connection:
        await keys.add_source(connection, name, key, origins)
    return key


async def _revoke(key: str) -> bool:
    from cdp.collect import keys

    async with _stored() as connection:
        return await keys.revoke(connection, key)


@asynccontextmanager
async def _stored() -> AsyncIterator[Connection]:
    """A transaction where keys are kept."""
    from cdp import instance
    from cdp.db import Database

    with instance.services(Settings.from_env()) as running:
        database = Database(running.database_url)
        async with database.transaction() as connection:
            yield connection
        await database.close()
