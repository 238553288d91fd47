"""`cdp import`: bring in what is there already."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from cdp.errors import ConfigurationError
from cdp.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from cdp.importing.play import Job, Tally


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import")(import_)


def import_(  # noqa: PLR0913 - a command's options
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="JSON lines or CSV, gzip or not.")
    ],
    *,
    map_: Annotated[
        str,
        typer.Option(
            "--map", help="How rows become calls: a shipped map's name, or the path of your own."
        ),
    ] = "",
    url: Annotated[
        str, typer.Option(help="Where the collector is; CDP_HOST and CDP_PORT if left out.")
    ] = "",
    write_key: Annotated[
        str, typer.Option(help="The source to import for; the first one if left out.")
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only this many lines of the file.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Send everything again; nothing is stored twice.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the platform has handled everything.")
    ] = False,
) -> None:
    """Play a file of events through the collector.

    Each line is a call as SDKs send it; with --map, a row that a map turns into calls. A run that
    was interrupted goes on where it was, and nothing is ever stored twice.
    """
    from rich.console import Console

    settings = Settings.from_env()
    wanted = _Wanted(file, map_, url, write_key, limit, restart)
    job = _job(wanted, settings)
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    tally = _play(job, out, err)
    if wait:
        _wait(job.url, err)
        out.print("The platform has handled everything.")
    if tally.skipped and not tally.sent:
        if not map_:
            err.print("Not one line is a call as SDKs send it; other files need a --map.")
        raise typer.Exit(1)


class _Wanted(NamedTuple):
    file: Path
    map: str
    url: str
    write_key: str
    limit: int | None
    restart: bool


def _job(wanted: _Wanted, settings: Settings) -> Job:
    from cdp.collect.keys import hashed
    from cdp.importing import maps
    from cdp.importing.cursor import Cursor
    from cdp.importing.mapping import CALLS
    from cdp.importing.play import Job
    from cdp.instance import read_keys

    map_ = maps.find(wanted.map) if wanted.map else CALLS
    key = wanted.write_key or (read_keys(settings) or {}).get("write_key", "")
    if not key:
        raise ConfigurationError(
            f"no keys in {settings.data_dir}: give --write-key, or set CDP_DATA_DIR"
        )
    url = wanted.url.rstrip("/") or settings.base_url
    target = f"{url} {hashed(key).hex()}"
    cursor = Cursor.of(settings.data_dir, wanted.file, map_, target)
    if wanted.restart:
        cursor.forget()
    return Job(wanted.file, map_, url, key, cursor, wanted.limit)


def _play(job: Job, out: Console, err: Console) -> Tally:
    from cdp.cli.playing import Playing
    from cdp.importing.play import play

    with Playing(err, job.file.name) as playing:
        try:
            tally = asyncio.run(play(job, playing.ears))
        except KeyboardInterrupt:
            err.print("Interrupted. The same command goes on from here.")
            raise typer.Exit(130) from None
        seconds = playing.seconds
    if tally.changed:
        out.print("The file is not what it was at the last run: all of it was played.")
    if tally.known:
        out.print(f"Lines up to {tally.known:,} were played before; --restart plays them again.")
    rate = f", {tally.sent / seconds:,.0f} calls/s" if tally.sent else ""
    out.print(
        f"{tally.lines:,} rows: {tally.sent:,} calls are stored, {tally.skipped:,} skipped,"
        f" in {seconds:.1f} s{rate}"
    )
    return tally


def _wait(url: str, err: Console) -> None:
    from cdp.importing.target import until_quiet

    with err.status("The platform is at work …") as status:

        def progress(left: int) -> None:
            status.update(f"The platform is at work: {left:,} records to go")

        until_quiet(url, progress)
