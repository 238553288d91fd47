"""`cdp backup`, `cdp restore`, `cdp import-log`: to files, back, and into another instance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cdp.cli import acting
from cdp.settings import Settings

_Progress = Callable[[str, int, int], None]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)
    app.command()(import_log)


def backup(
    directory: Annotated[
        Path, typer.Argument(file_okay=False, help="Where it goes, or is and becomes current.")
    ],
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only check the files that are there.")
    ] = False,
) -> None:
    """Back up the log, keys, definitions and ledgers, while the platform runs.

    Into a directory that holds a backup only what is new is added. The master key is not in it:
    keep that somewhere else.
    """
    if verify:
        _verify(directory)
        return
    from rich.filesize import decimal

    from cdp import instance, transfer

    settings, started = Settings.from_env(), time.monotonic()
    with instance.services(settings) as running, _bars() as progress:
        asyncio.run(acting.noted(settings, running, "cdp backup", str(directory)))
        made, new = transfer.back_up(settings, running, directory, progress)
    size, seconds = sum(file.size for file in made.files), time.monotonic() - started
    typer.echo(
        f"{made.events:,} events as of {made.taken_at} are in {directory}: {len(made.files)} "
        f"files, {decimal(size)}; {new:,} events are new, in {seconds:.1f} s."
    )
    typer.echo("It opens only with the master key, which is not in it.")


def restore(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A backup.")],
    *,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="As many log partitions, instead of the backup's."),
    ] = None,
    erased: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Who was erased since: what `cdp privacy erasures` says.",
        ),
    ] = None,
) -> None:
    """Make an instance of a backup, in a database that holds nothing.

    A restore that was interrupted goes on where it was. Nothing is sent to anybody meanwhile; what
    was under way goes on when the platform starts.
    """
    from cdp import instance, transfer
    from cdp.privacy import reapplying
    from cdp.processes import tune

    settings, started = Settings.from_env(), time.monotonic()
    opened = transfer.must_open(settings, directory)
    if erased is not None:
        opened = opened._replace(gone=reapplying.read(erased.read_text()))
    tune()
    with instance.services(settings) as running, _bars() as progress:
        work = transfer.restore(settings, running, opened, partitions, progress)
        done = asyncio.run(work)
        asyncio.run(acting.noted(settings, running, "cdp restore", opened.manifest.taken_at))
    found, seconds = opened.manifest, time.monotonic() - started
    typer.echo(
        f"{found.events:,} events as of {found.taken_at} are restored into {done.partitions} "
        f"partitions, and {done.replayed:,} of them replayed, in {seconds:.1f} s."
    )
    if opened.gone:
        typer.echo(f"{done.erased:,} identifiers were erased again, of people erased since then.")


def import_log(
    directory: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A backup of the other instance.")
    ],
    *,
    master_key_file: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="With its master key, in hexadecimal.")
    ],
) -> None:
    """Take another instance's events into this one.

    What follows from them is worked out anew here. Nothing is stored twice, however often it runs.
    """
    from cdp import instance, transfer

    settings, started = Settings.from_env(), time.monotonic()
    keys = instance.read_master_keys(master_key_file, master_key_file.read_text())
    with instance.services(settings) as running, _bars() as progress:
        asyncio.run(acting.noted(settings, running, "cdp import-log", str(directory)))
        tally = asyncio.run(transfer.join(settings, running, directory, keys, progress))
    rate = tally.read / (time.monotonic() - started)
    typer.echo(
        f"{tally.read:,} events read, {tally.new:,} of them new here, {rate:,.0f}/s; left out: "
        f"{tally.destroyed:,} whose key is destroyed, {tally.erased:,} of people erased here, "
        f"{tally.left_out:,} that may not be stored here, {tally.suppressed:,} that name somebody "
        f"suppressed, {tally.guesses:,} of matching or models."
    )


def _verify(directory: Path) -> None:
    from cdp.backup import manifest

    found = manifest.load(directory)
    with _bars() as progress:
        for number, _ in enumerate(found.verify(directory), start=1):
            progress("files", number, len(found.files))
    typer.echo(
        f"{len(found.files)} files with {found.events:,} events as of {found.taken_at} are whole."
    )


@contextmanager
def _bars() -> Iterator[_Progress]:
    """A bar for each thing that is counted, on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    bars = Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)
    tasks: dict[str, object] = {}

    def progress(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=None)
        bars.update(tasks[what], completed=done, total=of or None)  # type: ignore[arg-type]

    with bars:
        yield progress
