"""How fast a backup is taken and restored, beside PostgreSQL's own COPY and pg_dump of the log."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from bench import figures
from bench.measure import Figure
from cdp import transfer
from cdp.instance import Running, services
from cdp.processes import tune
from cdp.services.postgres import _binaries
from cdp.settings import Settings
from tests.support.platform import Platform, running
from tests.support.stores import started

EVENTS = 200_000
_FROM = "copy events to stdout (format binary)"
_COPY = "create table floor (like events including all)"


def backup() -> list[Figure]:
    """Of a platform that has handled its events, into another that is empty."""
    tune()
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as platform:
        figures.define_segments(platform)
        figures.fill(platform, EVENTS)
        return _measured(platform, Path(home))


def _measured(platform: Platform, home: Path) -> list[Figure]:
    settings, directory = Settings(data_dir=home / "data", jurisdiction="CA"), home / "backup"
    with services(settings) as live:
        url = live.database_url
        floor = _rate(lambda: _read(url))
        dump = _rate(lambda: _dump(url, home / "dump"))
        taken = _rate(lambda: transfer.back_up(settings, live, directory, lambda *told: None))
        again = time.perf_counter()
        transfer.back_up(settings, live, directory, lambda *told: None)
        again = time.perf_counter() - again
        with psycopg.connect(url) as database:
            row = database.execute("select pg_database_size(current_database())").fetchone()
        assert row
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    notes = {
        "again, with nothing new, s": round(again, 2),
        "bytes an event": round(size / EVENTS),
        "of the database's bytes, %": round(size / row[0] * 100, 1),
    }
    beside = f"COPY of the log to nowhere: {floor:,.0f}/s; pg_dump -Fc of it: {dump:,.0f}/s"
    figure = Figure(
        "backup", taken, "events/s", "≥ pg_dump", taken >= dump, beside, taken / floor, notes
    )
    return [figure, _restored(settings, directory)]


def _restored(settings: Settings, directory: Path) -> Figure:
    with tempfile.TemporaryDirectory() as other, started(Path(other)) as stores:
        target = stores.empty()
        marks: dict[str, float] = {}

        def progress(what: str, done: int, of: int) -> None:
            marks[what] = time.perf_counter()

        opened = transfer.must_open(settings, directory)
        begun = time.perf_counter()
        away = dataclasses.replace(settings, data_dir=Path(other) / "data")
        away.data_dir.mkdir()
        (away.data_dir / "master.key").write_text((settings.data_dir / "master.key").read_text())
        asyncio.run(transfer.restore(away, target, opened, None, progress))
        whole = time.perf_counter() - begun
        loaded = EVENTS / (marks["events"] - begun)
        floor = _rate(lambda: _write(target))
    return Figure(
        "restore, without the replay",
        loaded,
        "events/s",
        "≥ half of COPY",
        loaded >= floor / 2,
        f"COPY of the same rows into the same table: {floor:,.0f}/s",
        loaded / floor,
        {"with the replay, events/s": round(EVENTS / whole)},
    )


def _rate(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return EVENTS / (time.perf_counter() - begun)


def _read(url: str) -> None:
    with psycopg.connect(url) as database, database.cursor().copy(_FROM) as copy:
        for _ in copy:
            pass


def _dump(url: str, path: Path) -> None:
    command = [str(_binaries() / "pg_dump"), "-Fc", "-Z1", "-t", "events", "-f", str(path), url]
    subprocess.run(command, check=True)


def _write(running: Running) -> None:
    with (
        psycopg.connect(running.database_url) as source,
        psycopg.connect(running.database_url) as target,
    ):
        target.execute(_COPY)
        with (
            source.cursor().copy(_FROM) as rows,
            target.cursor().copy("copy floor from stdin (format binary)") as copy,
        ):
            for row in rows:
                copy.write(row)
