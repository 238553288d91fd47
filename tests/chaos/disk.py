"""A disk that is full, and then is not: PostgreSQL's, on a file system of its own."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.checker import Finding, check
from tests.chaos.scenario import Report, Stage
from tests.chaos.world import world

SIZE = "400m"
FULL_SECONDS = 30


async def disk(stage: Stage) -> Report:
    """The disk under PostgreSQL is full for half a minute."""
    with _small_disk(stage.home / "disk") as place:
        async with world(place / "world", stage.dice) as made:
            load = made.load()
            sending = asyncio.create_task(load.run())
            await made.until_seen(load, 30)
            ballast = _fill(place / "ballast")
            made.note("the disk is full")
            before = load.answers.copy()
            await asyncio.sleep(FULL_SECONDS)
            meanwhile = load.answers - before
            made.note(f"answers meanwhile: {dict(meanwhile)}")
            ballast.unlink()
            made.note(f"there is space again: seen after {await made.until_seen(load, 120):.1f} s")
            load.stop()
            await sending
            await made.quiet()
            findings = await asyncio.to_thread(lambda: list(check(made, [load])))
    refused = Finding("what could not be stored was answered with 503")
    problem = "" if meanwhile["503"] and set(meanwhile) <= {"503", "200"} else str(dict(meanwhile))
    return Report([*findings, refused._replace(problem=problem)], made.notes)


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(path: Path) -> Path:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return path
