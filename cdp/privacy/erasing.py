"""Erases a person: destroys their keys and takes them out of everything, at one stroke.

Meanwhile no chunk is under way: the agents' positions are locked, as they lock them themselves. So
what an agent has read before is written before, and is erased too; what it reads after, it reads
with the keys that are left. A collector looks when it appends whether its keys still hold.

1. waits until the agents have handled what was there when the request came: who the person is.
2. takes refused messages that name them out of quarantine; they have to be read for that.
3. one transaction: keys, projections, ledgers, and what destinations are to be told.
4. cached views; and once nothing is being sent any more, destinations are told. Then it is done.

A process that dies begins with the step it was at; each does nothing where it was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

import identity.store as identity_store
from cdp import times
from cdp.cache import Views
from cdp.db import Connection, Database, named
from cdp.events import TOUCHED, Identifier, Instant, SubjectId
from cdp.evidence.signing import Signer
from cdp.log import erasures
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.people import People
from cdp.privacy import ledgers, model, person, projections, quarantined, store, telling
from cdp.privacy.model import Request
from cdp.privacy.projections import Opening
from cdp.times import SECOND, iso
from identity import verdicts
from profiles.fragment import parts

_STAND_STILL = named("select from checkpoints order by topic, partition for update")
_SOON = SECOND // 10  # until it is looked again whether a send has ended

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Erasing:
    """Works on one request; returns it as it is then."""

    database: Database
    partitions: int
    people: People
    signer: Signer

    async def __call__(self, request: Request) -> Request:
        """Do the next step."""
        if not request.people:
            return await self._erase(request)
        return await self._finish(request)

    async def _erase(self, request: Request) -> Request:
        vault = self.people.keyring.vault
        async with self.database.transaction() as connection:
            subjects = await person.whole(connection, request.subject)
            names = await self._named(connection, subjects)
        refused = await quarantined.drop(self.database, vault, set(names.values()))
        async with self.database.transaction() as connection:
            await connection.execute(_STAND_STILL)
            await identity_store.lock(connection)
            subjects = await person.whole(connection, request.subject)
            names = await self._named(connection, subjects)
            request = request._replace(people=subjects)
            request = await self._destroy(connection, request, names, refused)
            await store.put(connection, request)
        async with self.database.transaction() as connection:
            await self.people.keyring.renew(connection)
        log.info("erased", request=str(request.id), subjects=len(subjects))
        return request

    async def _named(
        self, connection: Connection, subjects: Sequence[SubjectId]
    ) -> dict[SubjectId, Identifier]:
        """What the person's identifiers are in clear, as far as events of theirs tell."""
        await self.people.keyring.renew(connection)
        names = await self.people.names(connection, subjects)
        return {subject: names[subject] for subject in subjects if subject in names}

    async def _destroy(
        self,
        connection: Connection,
        request: Request,
        names: Mapping[SubjectId, Identifier],
        refused: int,
    ) -> Request:
        subjects, now, system = request.people, times.now(), self.people.keyring.vault.system
        events = await self._events(connection, subjects)
        told = await telling.prepare(connection, system, request, names, now)
        opening = self.people.profiles.shelf.open
        deleted, destroyed = await erase(connection, self.partitions, subjects, now, opening)
        deleted["quarantine"] = refused
        deleted["identity_trials"] = await ledgers.drop_trials(
            connection, system, names.values(), subjects
        )
        shown = {
            "at": iso(now),
            "events": events,
            "keys_destroyed": destroyed,
            "rows": dict(sorted(deleted.items())),
        }
        return request._replace(result={"shown": shown, "destinations": told})

    async def _events(self, connection: Connection, subjects: Sequence[SubjectId]) -> int:
        """How many events of theirs were counted: page views, screens and tracked events."""
        fragments = await self.people.profiles.shelf.open(connection, subjects)
        every = (part for each in fragments.values() for part in parts(each))
        return sum(tally.count for part in every for tally in part.events.values())

    async def _finish(self, request: Request) -> Request:
        views: Views = self.people.views
        await views.drop(request.people)
        async with self.database.transaction() as connection:
            now = times.now()
            if await telling.under_way(connection, request.people, now):
                request = request._replace(next_at=now + _SOON)
            else:
                told = request.result["destinations"]
                await telling.begin(connection, request, told, self.partitions)
                receipt = self.signer.sign(model.receipt(request, now, told))
                request = request._replace(status="done", done_at=now, receipt=receipt)
            await store.put(connection, request)
        return request


async def erase(
    connection: Connection,
    partitions: int,
    subjects: Sequence[SubjectId],
    now: Instant,
    opening: Opening,
) -> tuple[dict[str, int], int]:
    """Destroy these subjects' keys and take them out of every table: (rows by table, keys)."""
    removed = await projections.remove(connection, subjects, opening, now)
    await verdicts.record(connection, removed.moves, now)
    deleted = removed.rows | await ledgers.remove(connection, subjects, now)
    await ledgers.exits(connection, removed.left, now)
    messages = [Message(TOUCHED, profile, b"erasure") for profile in sorted(removed.moved)]
    await log_store.emit(connection, messages, partitions)
    return deleted, await erasures.destroy(connection, subjects, now)
