"""Takes out of the log what is older than its source and purpose allow, slice by slice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cdp import times
from cdp.db import Connection, Database
from cdp.errors import Unreadable
from cdp.evidence import chain
from cdp.log.codec import unpack_event
from cdp.log.keyring import Keyring
from cdp.log.vault import Seal
from cdp.log.writing import fact_of, sealed
from cdp.retention import store
from cdp.retention.store import Reduced, Row
from consent.model import decision_only
from consent.purposes import DAY

SLICE = 2000  # rows of the log looked at in one transaction


@dataclass(frozen=True, slots=True)
class Expiring:
    """One bounded piece after the other, by one process at a time: that of the scheduler.

    What an event decided on consent is proof, and stays: the event is cut down to that.
    """

    database: Database
    keyring: Keyring

    async def step(self) -> int | None:
        """Deal with the next slice; how much it took out, None if nothing is too old."""
        now = times.now()
        async with self.database.transaction() as connection:
            found = await store.over(connection, now)
            if found is None:
                return await store.drop_refused(connection, now, SLICE) or None
            before = now - found.days * DAY
            await self.keyring.renew(connection)
            rows = await store.stretch(connection, found, before, SLICE)
            young = next((number for number, row in enumerate(rows) if not row.over), len(rows))
            rows = rows[:young]
            emptied = [row.offset for row in rows if row.plain]
            if emptied:
                await store.empty(connection, found.partition, emptied)
            reduced = await self._reduced(connection, found.partition, rows)
            if reduced:
                await store.reduce(connection, found.partition, reduced)
            await store.advance(connection, found, rows[-1].offset + 1)
        return len(emptied) + len(reduced)

    async def _reduced(
        self, connection: Connection, partition: int, rows: Iterable[Row]
    ) -> list[Reduced]:
        """What is left of those that say something of consent, unless they say nothing else."""
        telling = [row for row in rows if row.payload]
        boxes = await self.keyring.load(connection, {row.subject for row in telling})
        found = (
            self._cut(partition, row, boxes[row.subject]) for row in telling if row.subject in boxes
        )
        return [each for each in found if each is not None]

    def _cut(self, partition: int, row: Row, box: Seal) -> Reduced | None:
        assert row.payload is not None
        try:
            event = unpack_event(row.id, row.payload, box)
        except Unreadable:
            if box.renewed:  # of a life before: who was erased has another key now
                return None
            raise
        left = decision_only(event)
        if event.type == "consent" or left == event:
            return None
        payload = sealed(fact_of(left, row.subject, consent=True), box).payload
        digest, remains = (hashlib.sha256(each).digest() for each in (row.payload, payload))
        mac = chain.reduced(self.keyring.vault, (partition, row.offset), digest, remains)
        return Reduced(row.offset, payload, digest, mac)
