"""`cdp keys`: show the first keys, make more, list, revoke; `master` changes the master key."""

from __future__ import annotations

import asyncio
import enum
import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import typer

from cdp.cli import acting
from cdp.cli.master import rotate_master
from cdp.errors import ConfigurationError
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.collect.keys import Key


class _Kept(NamedTuple):
    """On what grounds, and how long, what a source sends is kept."""

    necessary: bool
    retention_days: int | None


class Which(enum.StrEnum):
    """The two keys that every platform has from the start."""

    WRITE = "write"
    API = "api"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="Write keys for sources, API keys for operators.")
    for command in (show, create, retain, revoke):
        keys.command()(command)
    keys.command("list")(list_keys)
    keys.command("rotate-master")(rotate_master)
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
        raise ConfigurationError(
            f"no keys in {settings.data_dir}: `cdp up` makes two; `cdp keys create` makes more"
        )
    if as_json:
        typer.echo(json.dumps(found))
    elif which:
        typer.echo(found[f"{which.value}_key"])
    else:
        typer.echo(f"write key  {found['write_key']}\nAPI key    {found['api_key']}")


def create(  # noqa: PLR0913 - one for each option
    name: Annotated[str, typer.Argument(help="What it is for.")],
    *,
    api: Annotated[bool, typer.Option("--api", help="An API key, not a write key.")] = False,
    scope: Annotated[
        list[str] | None, typer.Option(help="What the API key may do; `*` for everything.")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A site that may use the write key; any, if left out."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="The API key ends after so many days.")
    ] = None,
    necessary: Annotated[
        bool,
        typer.Option(help="What it sends is needed to serve people: stored whatever they decide."),
    ] = False,
    retention_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="So long what it sends is kept.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make a key. It is shown once."""
    origins = [_origin(each) for each in origin or ()]
    if api and origins:
        raise ConfigurationError("--origin is for write keys: API keys stay on servers")
    if scope and not api:
        raise ConfigurationError("--scope is for API keys: give --api too")
    if necessary and api:
        raise ConfigurationError("--necessary is for write keys")
    if retention_days and api:
        raise ConfigurationError("--retention-days is for write keys: what their sources send")
    if days and not api:
        raise ConfigurationError("--days is for API keys: give --api too")
    if api:
        key = asyncio.run(_create_api_key(name, scope or ["*"], days))
    else:
        kept = _Kept(necessary, retention_days)
        key = asyncio.run(_create_write_key(name, origins, kept))
    typer.echo(json.dumps({"key": key}) if as_json else key)


def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List every key there ever was, by its id; the keys themselves nobody can show."""
    found = asyncio.run(_listed())
    if as_json:
        typer.echo(json.dumps([_told(each) for each in found]))
        return
    for each in found:
        told = _told(each)
        said = [told["id"].ljust(8), each.name, " ".join(each.bounds) or "from any page"]
        said.append(f"made {told['created_at']}")
        said.append(f"used {told['used_at'] or 'never'}")
        said += [f"ends {told['expires_at']}"] * bool(each.expires_at)
        said += [f"kept {each.retention_days} days"] * bool(each.retention_days)
        said += [f"revoked {told['revoked_at']}"] * bool(each.revoked_at)
        typer.echo("  ".join(said))


def retain(
    key: Annotated[str, typer.Argument(help="A write key, or its id by `cdp keys list`.")],
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="For good, if left out.")
    ] = None,
) -> None:
    """Say how long what a write key's source sends is kept, from its receipt on."""
    if asyncio.run(_retain(key, days)) is None:
        raise ConfigurationError("no such write key")
    typer.echo(f"Kept for {days} days." if days else "Kept for good.")


def revoke(
    key: Annotated[str, typer.Argument(help="The key itself, or its id by `cdp keys list`.")],
) -> None:
    """Make a key useless."""
    if asyncio.run(_revoke(key)) is None:
        raise ConfigurationError("no such key, or revoked before")
    typer.echo("Revoked.")


def _origin(written: str) -> str:
    """As browsers send it: scheme, host and port, in lower case."""
    parts = urlsplit(written)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ConfigurationError(f"--origin {written}: write it like https://shop.example.com")
    return f"{parts.scheme}://{parts.netloc}".lower()


async def _create_api_key(name: str, scopes: list[str], days: int | None) -> str:
    from cdp.api.auth import SCOPES
    from cdp.collect import keys

    unknown = set(scopes) - {*SCOPES, "*"}
    if unknown:
        raise ConfigurationError(f"no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    key = keys.new_api_key()
    async with acting.opened() as (connection, vault):
        await keys.add_api_key(connection, name, key, scopes, days=days)
        await acting.note(connection, vault, "cdp keys create --api", name)
    return key


async def _create_write_key(name: str, origins: list[str], kept: _Kept) -> str:
    from cdp.collect import keys

    key = keys.new_write_key()
    async with acting.opened() as (connection, vault):
        await keys.add_source(connection, name, key, origins, **kept._asdict())
        await acting.note(connection, vault, "cdp keys create", name)
    return key


async def _retain(key: str, days: int | None) -> str | None:
    from cdp.retention import store

    async with acting.opened() as (connection, vault):
        name = await store.keep_for(connection, key, days)
        if name is not None:
            await acting.note(connection, vault, "cdp keys retain", name)
    return name


async def _revoke(key: str) -> str | None:
    from cdp.collect import keys

    async with acting.opened() as (connection, vault):
        name = await keys.revoke(connection, key)
        if name is not None:
            await acting.note(connection, vault, "cdp keys revoke", name)
    return name


async def _listed() -> list[Key]:
    from cdp.collect import keys

    async with acting.opened() as (connection, _):
        return await keys.listed(connection)


def _told(key: Key) -> dict[str, Any]:
    def day(at: datetime | None) -> str:
        return f"{at:%Y-%m-%d %H:%M}" if at else ""

    return {
        "id": f"{key.kind}:{key.id}",
        "name": key.name,
        "scopes" if key.kind == "api" else "origins": key.bounds,
        "created_at": day(key.created_at),
        "used_at": day(key.used_at),
        "expires_at": day(key.expires_at),
        "revoked_at": day(key.revoked_at),
        "retention_days": key.retention_days,
    }
