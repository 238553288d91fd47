"""Exports a person: every event, and all that was made of them, as of one moment, in a ZIP.

It is sealed with the person's own key: an erasure that follows takes it along, wherever it lies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import structlog

import identity.store as identity_store
from cdp import times
from cdp.db import Connection, Database
from cdp.events import SubjectId
from cdp.log.vault import Seal
from cdp.people import People
from cdp.privacy import archive, gathering, person, store
from cdp.privacy.archive import Archive
from cdp.privacy.gathering import EVENT_COLUMNS, Gathering, Table
from cdp.privacy.model import Request
from cdp.times import iso

_README = """\
Your data, as of {now}
{line}

Every table is there twice, as JSON and as CSV (UTF-8, RFC 4180; what is no text is JSON in its
cell). Times are UTC.

  person.json        how the platform sees you: identifiers, traits, consent, counts of events
  events             every event, as it was received
  identifiers        what you are known by
  links              why these are thought to be one person
  identity_history   profiles that became one, or several
  traits             what events said about you, with when
  segments           groups that you are in now
  segment_history    when you entered and left groups, and because of which event
  consent            every decision about what your data may be used for
  preferences        how often you want to hear from us
  deliveries         what was sent about you, where to, and what allowed it

{events:,} events of {subjects} identifiers. Request {request}.
Not in it: what operators said of you and somebody else at once, for it names them too.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Exporting:
    """Works on one request; an export that was interrupted begins again."""

    database: Database
    people: People

    async def __call__(self, request: Request) -> Request:
        """Make the archive."""
        async with self.database.transaction() as connection:
            await store.clear(connection, request.id)
            await self.people.keyring.renew(connection)
            subjects = await person.whole(connection, request.subject)
            profile = await identity_store.profile_of(connection, request.subject)
            called = profile if profile in subjects else request.subject
            view = await self.people.imagined(connection, called, subjects, times.now())
        async with self.database.snapshot() as connection:
            request = request._replace(people=subjects)
            box, owner = await self._box(connection, subjects)
            made = Archive(self.database, box, request)
            found = Gathering(connection, self.people, subjects)
            made.text("person.json", _pretty(view or {}))
            events, rows = await self._write(made, found, request)
        await made.close()
        now = times.now()
        shown = {"at": iso(now), "events": events, "keys_destroyed": 0, "rows": rows}
        result = {"shown": shown, "owner": owner.hex() if owner else ""}
        request = request._replace(status="done", done_at=now, result=result)
        async with self.database.transaction() as connection:
            await store.put(connection, request)
        log.info("exported", request=str(request.id), events=events)
        return request

    async def _box(
        self, connection: Connection, subjects: list[SubjectId]
    ) -> tuple[Seal, SubjectId | None]:
        boxes = await self.people.keyring.load(connection, subjects)
        owner = gathering.own_key(subjects, boxes)
        return boxes[owner] if owner else self.people.keyring.vault.lasting, owner

    async def _write(
        self, made: Archive, found: Gathering, request: Request
    ) -> tuple[int, dict[str, int]]:
        tables: list[Table] = await found.tables()
        for each in tables:
            made.table(*each)
            await made.keep()
        events = await self._events(made, found)
        now = iso(times.now())
        told = _README.format(
            now=now,
            line="=" * (len("Your data, as of ") + len(now)),
            events=events,
            subjects=len(request.people),
            request=request.id,
        )
        made.text("README.txt", told)
        return events, {each.name: len(each.rows) for each in tables}

    async def _events(self, made: Archive, found: Gathering) -> int:
        """Twice through the log rather than all of it in memory; returns how many there are."""
        sources, count = await found.sources(), 0
        with made.file("events.json") as file:
            async for events in found.events():
                for event in events:
                    line = msgspec.json.encode(gathering.told(event, sources)).decode()
                    file.write(f"{',' if count else '['}\n{line}")
                    count += 1
                await made.keep()
            file.write("\n]\n" if count else "[]\n")
        with made.file("events.csv") as file:
            write = archive.row_writer(file, EVENT_COLUMNS)
            async for events in found.events():
                for event in events:
                    write(gathering.told(event, sources))
                await made.keep()
        return count


def _pretty(content: object) -> str:
    return msgspec.json.format(msgspec.json.encode(content)).decode()


async def opened(
    database: Database, people: People, request: Request
) -> AsyncIterator[bytes] | None:
    """An archive in clear, part by part; None if it expired, or went with its person."""
    owner = bytes.fromhex(request.result["owner"])
    async with database.transaction() as connection:
        if not await store.has_archive(connection, request.id):
            return None
        await people.keyring.renew(connection)
        boxes = await people.keyring.load(connection, [owner])
    return archive.read(database, boxes.get(owner, people.keyring.vault.lasting), request)
