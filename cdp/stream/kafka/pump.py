"""Keeps records at hand from Kafka; what Kafka does not have any more, the log has.

The log is the truth and Kafka what carries it. So whatever happens to a topic (its retention has
passed, it was made anew, a broker lost its disk), a worker hands over consecutive records: where
the next one is missing on Kafka, it is read from the log.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import structlog
from faust.types import TP

from cdp.cluster import Cluster
from cdp.db import Database
from cdp.errors import KafkaUnavailable, StoreUnavailable
from cdp.log import store
from cdp.stream.kafka import published
from cdp.stream.kafka.belonging import must_be_ours
from cdp.stream.kafka.line import Line
from cdp.stream.kafka.locating import locate
from cdp.stream.kafka.reader import NotOurs, Reader

AT_HAND = 2000  # records of a partition
TAKE_SECONDS = 0.25
SHORT_TAKE_SECONDS = 0.02  # while others are full, and may want more at any moment
OWED_SECONDS = 2.0  # how long what was published may be on its way
_RETRY_SECONDS = 1.0
_LONGEST_TURN_SECONDS = 30.0
_REVOKED_SECONDS = 0.05  # until the group has settled

log = structlog.get_logger(__name__)


class Pump:
    """`lines` are the partitions to read; `came` is called with a topic that has records now."""

    def __init__(
        self, database: Database, cluster: Cluster, reader: Reader, came: Callable[[str], None]
    ) -> None:
        self.lines: dict[TP, Line] = {}
        self.room = asyncio.Event()
        self.owing = False
        self.turned = time.monotonic()
        self._database = database
        self._cluster = cluster
        self._reader = reader
        self._came = came
        self._owed: dict[TP, int] = {}
        self._looked = time.monotonic()

    async def run(self) -> None:
        """For ever; raises what no waiting will mend."""
        while True:
            self.turned = time.monotonic()
            try:
                await self._turn()
            except NotOurs:
                await asyncio.sleep(_REVOKED_SECONDS)
            except StoreUnavailable as error:
                self.owing |= isinstance(error, KafkaUnavailable)
                log.warning("cannot_read_kafka", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    def flowing(self) -> bool:
        """False while something was published and does not come, or nothing moves here at all."""
        return not self.owing and time.monotonic() - self.turned < _LONGEST_TURN_SECONDS

    async def _turn(self) -> None:
        astray = {tp: x for tp, x in self.lines.items() if not (x.aimed or x.ready)}
        if astray:
            await self._aim(astray)
        aimed = {tp: line for tp, line in self.lines.items() if line.aimed}
        wanting = {tp: line for tp, line in aimed.items() if len(line.ready) < AT_HAND}
        if wanting:
            patience = TAKE_SECONDS if len(wanting) == len(self.lines) else SHORT_TAKE_SECONDS
            await self._take(wanting, patience)
        else:
            await self._until_room()
        if time.monotonic() - self._looked > OWED_SECONDS:
            await self._look_for_owed()

    async def _take(self, lines: dict[TP, Line], patience: float) -> None:
        for tp, found in (await self._reader.take(lines, patience, AT_HAND)).items():
            line = lines[tp]
            if self.lines.get(tp) is not line:
                continue  # it was to begin elsewhere meanwhile
            self.owing = False
            instead = line.put(found)
            if instead is not None:
                await self._read_log(tp, line, instead)
            if line.ready:
                self._came(tp.topic)

    async def _until_room(self) -> None:
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                await self.room.wait()
        except TimeoutError:
            pass
        self.room.clear()

    async def _aim(self, lines: dict[TP, Line]) -> None:
        """Seek these partitions, each to where its line goes on."""
        noted = await self._noted()
        searches = await locate(self._reader, {tp: line.next for tp, line in lines.items()})
        async with self._database.transaction() as connection:
            newest = {tp: each.newest for tp, each in searches.items() if each.newest}
            await must_be_ours(connection, self._cluster, newest)
        gone = {tp for tp, each in searches.items() if each.ended and each.position < noted[tp]}
        await self._reader.seek({tp: searches[tp].low for tp in searches.keys() - gone})
        for tp, line in lines.items():
            line.aimed = tp not in gone
        for tp in gone:  # it was published, and Kafka does not have it any more
            await self._read_log(tp, lines[tp], noted[tp])
            self._came(tp.topic)

    async def _read_log(self, tp: TP, line: Line, end: int) -> None:
        """What is missing before `end`, in portions: the line aims anew once this one is gone."""
        line.aimed = False
        if line.ready:
            return
        start, limit = line.next, min(AT_HAND, end - line.next)
        async with self._database.transaction() as connection:
            parts = await store.read(connection, tp.topic, {tp.partition: start}, limit)
        records = [each for each in parts.get(tp.partition, []) if each.offset < end]
        log.info("read_from_log", topic=tp.topic, partition=tp.partition, records=len(records))
        line.fill(records)
        if not records:
            line.next = end  # every agent has had it: it is trimmed

    async def _look_for_owed(self) -> None:
        """What was published some time ago and has not come: look for it on Kafka once more."""
        self._looked = time.monotonic()
        noted = await self._noted()
        empty = {tp: line for tp, line in self.lines.items() if not line.ready}
        owed = {tp: line.next for tp, line in empty.items() if line.next < noted[tp]}
        late = [tp for tp, offset in owed.items() if self._owed.get(tp) == offset]
        self._owed, self.owing = owed, bool(late)
        for tp in late:
            self.lines[tp].aimed = False

    async def _noted(self) -> Mapping[TP, int]:
        """How far the relay has come; nowhere, before it first ran."""
        async with self._database.transaction() as connection:
            return defaultdict(int, await published.read(connection))
