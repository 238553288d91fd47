"""Plays a file: reads, sends several requests side by side, notes how far all of it is stored."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from cdp.importing.batches import Batch, Source
from cdp.importing.cursor import Cursor
from cdp.importing.mapping import Map
from cdp.importing.reading import START, Lines, Mark
from cdp.importing.sending import Sender

IN_FLIGHT = 4
_TIMEOUT = 60.0  # seconds for one request


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be played, and where to."""

    file: Path
    map: Map
    url: str
    key: str
    cursor: Cursor | None = None
    limit: int | None = None  # only this many lines of the file
    shift: int = 0  # microseconds to move every call in time


@dataclass(slots=True)
class Tally:
    """How far a run has come."""

    known: int = 0  # lines that an earlier run has sent
    lines: int = 0
    sent: int = 0  # calls that are stored, now or before
    skipped: int = 0
    position: int = 0  # bytes of the file
    size: int = 0
    changed: bool = False  # the file is not the one that an earlier run knew


@dataclass(slots=True)
class Ears:
    """Who hears of what happens."""

    broken: Callable[[int, str], None] = lambda line, reason: None
    waiting: Callable[[str], None] = lambda reason: None
    progress: Callable[[Tally], None] = lambda tally: None


@dataclass(slots=True)
class _Request:
    """Of a batch that went out: no more is kept, for one slow answer may hold up many."""

    mark: Mark
    done: bool = False


@dataclass(slots=True)
class _Run:
    tally: Tally
    ears: Ears
    cursor: Cursor | None
    open: deque[_Request] = field(default_factory=deque)  # in the file's order

    def broken(self, line: int, reason: str) -> None:
        self.tally.skipped += 1
        self.ears.broken(line, reason)

    def start(self, batch: Batch) -> _Request:
        self.open.append(_Request(batch.mark))
        return self.open[-1]

    def finish(self, request: _Request) -> None:
        """Everything before the oldest open request is stored: the cursor goes there."""
        request.done = True
        mark: Mark | None = None
        while self.open and self.open[0].done:
            mark = self.open.popleft().mark
        if mark is not None and self.cursor is not None:
            self.cursor.save(mark)


async def play(job: Job, ears: Ears, transport: httpx.AsyncBaseTransport | None = None) -> Tally:
    """Send everything that is not known to be stored; returns what it came to.

    ConfigurationError or StoreUnavailable when it cannot go on; the cursor is right even then.
    """
    run = _Run(Tally(), ears, job.cursor)
    since = _known(job, run)
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    client = httpx.AsyncClient(
        transport=transport, limits=limits, timeout=_TIMEOUT, trust_env=False
    )
    with Lines(job.file, job.map.encoding) as lines:
        run.tally.size = lines.size
        batches = Source(lines, job.map, run.broken, since, job.limit, job.shift).batches()
        try:
            async with client, asyncio.TaskGroup() as group:
                sender = Sender(client, job.url, job.key, ears.waiting)
                for _ in range(IN_FLIGHT):
                    group.create_task(_send(run, sender, lines, batches))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
    return run.tally


def _known(job: Job, run: _Run) -> Mark:
    """How far an earlier run came, if the file still begins with the same lines."""
    since = job.cursor.load() if job.cursor else START
    if since.line:
        with Lines(job.file) as lines:
            run.tally.changed = Source(lines, job.map, run.broken, since).changed()
        since = START if run.tally.changed else since
    run.tally.known = since.line
    return since


async def _send(run: _Run, sender: Sender, lines: Lines, batches: Iterator[Batch]) -> None:
    """One of several that share the batches: what is in memory is what is in flight."""
    tally = run.tally
    for batch in batches:
        request = run.start(batch)
        refusals = await sender.send(batch.body) if batch.messages else []
        for number, reason in refusals:
            run.broken(batch.messages[number].line, reason)
        run.finish(request)
        tally.sent += len(batch.messages) - len(refusals)
        tally.lines += batch.lines
        tally.position = lines.position
        run.ears.progress(tally)
        await asyncio.sleep(0)
