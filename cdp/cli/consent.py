"""`cdp consent`: check the chain of consent facts; say who could be contacted, now or then."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.errors import ConfigurationError
from cdp.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdp.db import Connection
    from cdp.events import Instant
    from cdp.evidence.contactable import Contact
    from cdp.evidence.verifying import Progress, Verdict


def register(app: typer.Typer) -> None:
    """Add the commands."""
    consent = typer.Typer(help="Proof of consent.", no_args_is_help=True)
    for command in (verify, contactable):
        consent.command()(command)
    app.add_typer(consent, name="consent")


def verify(
    head: Annotated[
        str, typer.Option(help="A head from earlier: what was chained then must be there still.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check that no fact was altered, put in, taken out or moved; exit code 1 if one was."""
    verdict = _with_progress(lambda progress: _verify(head, progress))
    if as_json:
        typer.echo(json.dumps(_shown(verdict)))
    else:
        _tell(verdict)
    if verdict.found:
        raise typer.Exit(1)


def contactable(
    purpose: Annotated[str, typer.Argument(help="A purpose's key, like marketing_email.")],
    at: Annotated[str, typer.Option(help="As of a time, like 2026-01-31T12:00:00Z.")] = "",
) -> None:
    """Print who could be contacted for a purpose, now or as it was known at a time: a line each."""
    asyncio.run(_contactable(purpose, at))


def _tell(verdict: Verdict) -> None:
    for each in verdict.findings:
        place = f"{each.partition}" if each.offset is None else f"{each.partition}/{each.offset}"
        typer.echo(f"{each.kind:8}  {place:>12}  {each.detail}")
    if verdict.found:
        more = verdict.found - len(verdict.findings)
        told = f", of which {more:,} are not shown" if more else ""
        typer.echo(f"{verdict.facts:,} facts, {verdict.found:,} findings{told}.")
        return
    waiting = f" {verdict.waiting:,} more are about to be chained." if verdict.waiting else ""
    count = verdict.facts - verdict.waiting
    facts = "1 fact" if count == 1 else f"{count:,} facts"
    typer.echo(f"Whole: {facts}.{waiting} Keep this elsewhere:")
    typer.echo(verdict.anchor)


def _shown(verdict: Verdict) -> dict[str, Any]:
    return {
        "whole": not verdict.found,
        "facts": verdict.facts,
        "waiting": verdict.waiting,
        "found": verdict.found,
        "findings": [each._asdict() for each in verdict.findings],
        "head": verdict.anchor,
    }


def _with_progress(work: Any) -> Any:
    """Shown where somebody looks: on standard error, so that a program reads the answer alone."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("facts", total=None)
        return asyncio.run(
            work(lambda done, of: bars.update(task, completed=done, total=of or None))
        )


async def _verify(head: str, progress: Progress) -> Verdict:
    from cdp import assembly, instance
    from cdp.evidence import chain
    from cdp.evidence.verifying import Verifying

    noted = chain.read_anchor(head) if head else None
    settings = Settings.from_env()
    with instance.services(settings) as running:
        core = assembly.assemble(settings, running)
        try:
            async with core.database.snapshot() as connection:
                return await Verifying(connection, core.vault, progress).run(noted)
        finally:
            await core.close()


async def _contactable(purpose: str, at: str) -> None:
    from cdp import assembly, instance, times
    from cdp.api.contactable import found_purpose, shown
    from cdp.cli import acting
    from cdp.evidence.asof import AsOf
    from cdp.evidence.contactable import everybody
    from identity.rulebook import RuleBook

    when = _instant(at) if at else times.now()
    settings = Settings.from_env()
    with instance.services(settings) as running:
        core = assembly.assemble(settings, running)
        try:
            async with core.database.transaction() as connection:
                await found_purpose(connection, purpose)
                as_of = AsOf(core.people, await RuleBook().refresh(connection), when)
                await acting.note(connection, core.vault, "cdp consent contactable", purpose)

            async def tell(connection: Connection, contacts: Sequence[Contact]) -> list[Any]:
                return await shown(connection, as_of, contacts, identified=True)

            async for people in everybody(core.database, as_of, purpose, tell):
                for each in people:
                    typer.echo(json.dumps(each, ensure_ascii=False))
        finally:
            await core.close()


def _instant(written: str) -> Instant:
    from cdp import times

    try:
        found = times.parse(written)
    except ValueError as error:
        raise ConfigurationError(f"--at {error}") from None
    if found > times.now():
        raise ConfigurationError("--at lies in the future: leave it out for now")
    return found
