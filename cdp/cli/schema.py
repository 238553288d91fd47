"""`cdp migrate`: bring the schema up to date, or say what is missing."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Annotated

import typer

from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.schema import Fit


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only look; exit code 1 if something is missing.")
    ] = False,
    expand: Annotated[
        bool,
        typer.Option("--expand", help="Only what processes of the version before can live with."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check, for programs.")] = False,
    first_keys: Annotated[
        bool, typer.Option("--first-keys", help="Keep two keys in the data directory.")
    ] = False,
) -> None:
    """Bring the schema up to date; a new instance also gets the default purposes."""
    if check:
        raise typer.Exit(_check(expand=expand, as_json=as_json))
    from cdp import processes
    from cdp.cli.run import in_session
    from cdp.migrate import Migration

    prepare = processes.prepare_with_keys if first_keys else processes.prepare
    in_session(functools.partial(prepare, wanted=Migration(only_expand=expand)), "migrate")
    typer.echo("The schema is up to date." if not expand else "The schema is expanded.")


def _check(*, expand: bool, as_json: bool) -> int:
    from cdp import instance
    from cdp.migrate import fit
    from cdp.schema import EXPAND

    with instance.services(Settings.from_env()) as running:
        found = fit(running.database_url)
    if expand:
        missing = tuple(step for step in found.missing if step.phase == EXPAND)
        found = found._replace(missing=missing)
    if as_json:
        told = {**found._asdict(), "missing": [step._asdict() for step in found.missing]}
        typer.echo(json.dumps(told))
    else:
        _tell(found)
    return 1 if found.missing or found.problem else 0


def _tell(found: Fit) -> None:
    typer.echo(f"schema   {found.revision or 'none'}\nversion  {found.head}")
    for step in found.missing:
        typer.echo(f"missing  {step.revision}  {step.phase:8}  {step.title}")
    if found.problem:
        typer.echo(found.problem)
    elif found.newer:
        typer.echo("A later version has added to the schema; this one works with it.")
    elif not found.missing:
        typer.echo("Nothing is missing.")
