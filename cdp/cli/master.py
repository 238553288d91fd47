"""`cdp keys rotate-master`: from one master key to the next, while everything runs."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from cdp.cli import acting
from cdp.settings import Settings

_PATIENCE_SECONDS = 15.0  # processes look every two seconds


def rotate_master(
    *,
    end_links: Annotated[
        bool,
        typer.Option(
            "--end-links",
            help="When it is done, links to preferences that people have open nothing any more: "
            "for a key that was stolen, which forges them.",
        ),
    ] = False,
) -> None:
    """Change the master key: seal with the new one all that the old one has sealed.

    Run it when all processes have both keys, the new one first. It goes on where it was
    interrupted; exit code 1 while a process still seals with the old key. A key that the data
    directory keeps is made here, and taken up by what runs.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from cdp import instance, rotating
    from cdp.sealings import COLUMNS

    settings = Settings.from_env()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with instance.services(settings) as running, Progress(*columns, transient=True) as bars:
        masters = _masters(settings, running.database_url)
        by = acting.entry("cdp keys rotate-master")
        tasks = {each.table: bars.add_task(each.table, total=None) for each in COLUMNS}

        def progress(table: str, done: int, of: int) -> None:
            bars.update(tasks[table], completed=done, total=of)

        work = rotating.change(
            running.database_url,
            masters,
            by,
            progress,
            end_links=end_links,
            patience=_PATIENCE_SECONDS,
        )
        tally, waits_for = asyncio.run(work)
        if not waits_for and instance.keeps_master_key(settings):
            instance.keep_master_keys(settings, masters[:1])
    typer.echo(f"{tally.renewed:,} of {tally.seen:,} sealed values are sealed anew.")
    if tally.lost:
        typer.echo(f"{tally.lost:,} open with no key: they were altered, or never ours.")
    if waits_for:
        typer.echo(
            f"{waits_for} sessions are of processes that still seal with the old key: start those "
            "again, and run this once more."
        )
        raise typer.Exit(1)
    typer.echo("Nothing needs the old master key any more. Keep a copy of the new one elsewhere.")


def _masters(settings: Settings, url: str) -> list[bytes]:
    """The keys at hand; where the data directory keeps a single one, a new one before it."""
    from cdp import instance, keyset

    masters = instance.master_keys(settings)
    if instance.keeps_master_key(settings) and len(masters) == 1 and not keyset.is_changing(url):
        masters = [os.urandom(32), *masters]
        instance.keep_master_keys(settings, masters)
    return masters
