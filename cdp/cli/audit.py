"""`cdp audit`: read the log of what operators did, check its chain, take off its oldest part."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.cli import acting
from cdp.errors import ConfigurationError

if TYPE_CHECKING:
    from cdp.audit import Kept, Verdict

_NEWEST = (1 << 63) - 1


def register(app: typer.Typer) -> None:
    """Add the commands."""
    audit = typer.Typer(help="What operators did.", invoke_without_command=True)
    audit.callback()(show)
    for command in (verify, trim):
        audit.command()(command)
    app.add_typer(audit, name="audit")


def show(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, from the newest on.")] = 50,
    about: Annotated[str, typer.Option(help="Only about this person: namespace:value.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a line each.")] = False,
) -> None:
    """Show the newest entries."""
    if context.invoked_subcommand is not None:
        return
    for kept in asyncio.run(_listed(limit, about)):
        typer.echo(json.dumps(_shown(kept)) if as_json else _line(kept))


def verify(
    noted: Annotated[
        str, typer.Option(help="A `position:mac` from earlier, which must still be there.")
    ] = "",
) -> None:
    """Check that no entry was altered, put in or taken out; exit code 1 if one was."""
    verdict, still_there = asyncio.run(_verify(noted))
    if verdict.broken is not None:
        typer.echo(
            f"Broken at {verdict.broken}: this entry, or the one before it, is not the one written."
        )
        raise typer.Exit(1)
    if not still_there:
        typer.echo(f"Cut: {noted} is not there.")
        raise typer.Exit(1)
    if not verdict.last:
        typer.echo("Nothing has been noted yet.")
        return
    typer.echo(f"Whole from {verdict.first} to {verdict.last}. Keep this elsewhere:")
    typer.echo(f"{verdict.last}:{verdict.mac.hex()}")


def trim(
    days: Annotated[int, typer.Option(min=1, help="What is older than so many days goes.")],
) -> None:
    """Take off the oldest part; an entry says so and vouches for the rest."""
    typer.echo(f"{asyncio.run(_trim(days)):,} entries taken off.")


async def _listed(limit: int, about: str) -> list[Kept]:
    from cdp import audit

    async with acting.opened() as (connection, vault):
        person = b""
        if about:
            from cdp.api import refs
            from cdp.events import Identifier

            who = refs.identifier(about)
            person = vault.subject(*who) if isinstance(who, Identifier) else who
        return await audit.listed(connection, before=_NEWEST, limit=limit, person=person)


async def _verify(noted: str) -> tuple[Verdict, bool]:
    from cdp import audit

    position, _, mac = noted.partition(":")
    if noted and not (position.isdecimal() and len(mac) == 64):
        raise ConfigurationError("--noted: give what an earlier `cdp audit verify` has printed")
    async with acting.opened() as (connection, vault):
        verdict = await audit.verify(connection, vault)
        if not noted:
            return verdict, True
        found = await audit.listed(connection, before=int(position) + 1, limit=1)
        return verdict, [audit.said(each.position, each.mac) for each in found] == [noted]


async def _trim(days: int) -> int:
    from cdp import audit

    before = datetime.now(UTC) - timedelta(days=days)
    async with acting.opened() as (connection, vault):
        return await audit.trim(connection, vault, before, acting.entry(audit.TRIMMED))


def _shown(kept: Kept) -> dict[str, Any]:
    from cdp.api.auditlog import shown

    return shown(kept)


def _line(kept: Kept) -> str:
    from cdp.times import to_datetime

    entry = kept.entry
    who = f"{entry.actor} ({entry.name})"
    about = " ".join(each.hex()[:8] for each in entry.people)
    what = " ".join(filter(None, (entry.action, entry.target, about)))
    at = f"{to_datetime(entry.at):%Y-%m-%d %H:%M:%S}"
    return f"{kept.position:>6}  {at}  {who}  {what}  {entry.outcome}"
