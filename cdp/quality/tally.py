"""Counts what is received, in memory, and adds it to the database every two seconds.

Everything is a sum, so neither order nor number of processes matters. Of each source and hour so
many names are counted by themselves and no more: nobody can make it grow by making names up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from cdp import metrics, times
from cdp.db import Database
from cdp.errors import StoreUnavailable
from cdp.events import Instant
from cdp.log.repeats import known_before
from cdp.log.vault import Vault
from cdp.log.writing import Fact
from cdp.naming import OTHER, told
from cdp.quality import store
from cdp.quality.names import Names
from cdp.quality.sights import HOUR, Shape, Sights, name_of, types_of
from cdp.quality.store import Cell
from cdp.stopping import heed_cancellation

MOST_EVENTS = 200  # names of events that are counted by themselves, of a source and hour
MOST_PROPERTIES = 2000  # and of their properties, all in all
_MOST_SUSPECTS = 20_000
_ASKED = 5000  # of them, at once
_ANY: Shape = (OTHER,)
_MOST_SHAPES = 1000  # of a source between two flushes
_FLUSH_SECONDS = 2.0
_LAST_SECONDS = 1.0  # to flush once more at the end

_Key = TypeVar("_Key")
log = structlog.get_logger(__name__)


class _Admitted(NamedTuple):
    """Which names a source has in an hour, as far as they are counted by themselves."""

    events: set[str]
    properties: set[tuple[str, str]]

    def event(self, name: str) -> str:
        return _counted(name, name, self.events, MOST_EVENTS)

    def property(self, event: str, name: str) -> str:
        """Of an event by its admitted name."""
        return _counted((event, name), name, self.properties, MOST_PROPERTIES)


class _Suspect(NamedTuple):
    """A fact that may have been in the log before."""

    id: bytes
    received_at: Instant
    source: int
    name: str


class Tally:
    """What this process counts; run `run()` beside whoever counts."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.names = Names(vault)
        self._database = database
        self._shapes: dict[tuple[int, Instant], dict[Shape, int]] = {}
        self._cells: Counter[Cell] = Counter()
        self._suspects: list[_Suspect] = []
        self._admitted: dict[tuple[int, Instant], _Admitted] = {}
        self._flushing = asyncio.Lock()
        self._cleared = 0

    def take(self, sights: Sights) -> None:
        """Count what one request brought."""
        source = sights.source
        hour = hour_of(sights.received_at)
        shapes = self._shapes.setdefault((source, hour), {})
        for shape, count in sights.shapes.items():
            known = shape in shapes or len(shapes) < _MOST_SHAPES
            counted = shape if known else _ANY
            shapes[counted] = shapes.get(counted, 0) + count
        if sights.late or sights.broken:
            self._odd(hour, sights)

    def _odd(self, hour: Instant, sights: Sights) -> None:
        source = sights.source
        names = self._named(source, hour)
        for event, count in sights.late.items():
            self._cells[Cell(hour, source, names.event(event), "late")] += count
            metrics.late.labels(str(source)).inc(count)
        for broken, count in sights.broken.items():
            event = names.event(broken.event)
            name = names.property(event, broken.property) if broken.property else ""
            self._cells[Cell(hour, source, event, "violation", name, broken.rule)] += count
        for outcome, count in sights.outcomes.items():
            metrics.violating.labels(str(source), outcome).inc(count)

    def repeated(self, facts: Iterable[Fact], known: int) -> None:
        """So many of these the log had before: which, is asked later."""
        if not known:
            return
        suspects: dict[bytes, _Suspect] = {}
        for fact in facts:
            if fact.name:
                suspect = _Suspect(fact.id, fact.received_at, fact.source, fact.name)
                if suspects.setdefault(fact.id, suspect) is not suspect:
                    self._duplicate(suspect)
        self._suspects += list(suspects.values())[: _MOST_SUSPECTS - len(self._suspects)]

    async def flush(self) -> None:
        """Add what was counted to the database; what it does not take now, it is given later."""
        async with self._flushing:
            await self._ask()
            self._expand()
            cells = self._cells
            if not cells:
                return
            self._cells = Counter()
            try:
                await store.add(self._database, self.names, cells)
            except StoreUnavailable:
                self._cells.update(cells)
                raise

    async def run(self) -> None:
        """Flush for as long as the process lives, and once more at its end."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_SECONDS)
                await self._tried()
                heed_cancellation()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._tried()

    async def _tried(self) -> None:
        try:
            await self.flush()
            hour = hour_of(times.now())
            if hour > self._cleared:
                await store.clear(self._database, self.names)
                self._cleared = hour
                self._admitted = {
                    key: each for key, each in self._admitted.items() if key[1] >= hour
                }
        except StoreUnavailable:
            return
        except DBAPIError as error:  # counts are not worth a collector
            log.error("counts_lost", error=type(error).__name__)

    async def _ask(self) -> None:
        """Which of the facts that may have been in the log before were."""
        while self._suspects:
            asked = {each.id: each for each in self._suspects[:_ASKED]}
            received = {each.id: each.received_at for each in asked.values()}
            for known in await known_before(self._database, received):
                self._duplicate(asked[known])
            self._suspects = [each for each in self._suspects if asked.get(each.id) is not each]

    def _duplicate(self, fact: _Suspect) -> None:
        hour = hour_of(fact.received_at)
        event = self._named(fact.source, hour).event(fact.name)
        self._cells[Cell(hour, fact.source, event, "duplicate")] += 1
        metrics.duplicates.labels(str(fact.source)).inc()

    def _expand(self) -> None:
        """From shapes to sums."""
        taken, self._shapes = self._shapes, {}
        for (source, hour), shapes in taken.items():
            names = self._named(source, hour)
            for shape, count in shapes.items():
                event = names.event(name_of(shape))
                self._cells[Cell(hour, source, event, "received")] += count
                for name, kind in types_of(shape):
                    told_as = names.property(event, name)
                    self._cells[Cell(hour, source, event, "type", told_as, kind)] += count

    def _named(self, source: int, hour: Instant) -> _Admitted:
        return self._admitted.setdefault((source, hour), _Admitted(set(), set()))


def hour_of(instant: Instant) -> Instant:
    """The beginning of its hour."""
    return instant - instant % HOUR


def _counted(key: _Key, name: str, known: set[_Key], most: int) -> str:
    if key in known:
        return name
    if told(name) == OTHER or len(known) >= most:
        return OTHER
    known.add(key)
    return name
