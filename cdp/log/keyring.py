"""Subjects' data keys at hand: loaded in bulk, made on first sight, kept within a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cdp.db import Connection, Database, named
from cdp.events import Event, SubjectId
from cdp.log.codec import unpack_event
from cdp.log.store import Record
from cdp.log.vault import Seal, Vault

_LOAD = named("select id, key, collect from subjects where id = any(:ids)")
_CREATE = named(
    """
    insert into subjects (id, key)
    select * from unnest(cast(:ids as bytea[]), cast(:keys as bytea[]))
    on conflict (id) do nothing
    """
)


class Opened(NamedTuple):
    """A fact from the log in clear, with its subject and that subject's key."""

    subject: SubjectId
    event: Event
    box: Seal


class Keyring:
    """An LRU of open data keys. A subject whose key was destroyed is simply not in the answer."""

    def __init__(self, vault: Vault, *, size: int = 50_000) -> None:
        self.vault = vault
        self._size = size
        self._open: OrderedDict[bytes, Seal] = OrderedDict()
        self._refusing: set[bytes] = set()

    async def load(self, connection: Connection, subjects: Iterable[bytes]) -> dict[bytes, Seal]:
        """The keys of these subjects, as far as they exist."""
        found: dict[bytes, Seal] = {}
        missing: list[bytes] = []
        for subject in set(subjects):
            seal = self._open.get(subject)
            if seal is None:
                missing.append(subject)
            else:
                self._open.move_to_end(subject)
                found[subject] = seal
        if missing:
            for subject, wrapped, collect in await connection.execute(_LOAD, {"ids": missing}):
                found[subject] = self._keep(subject, wrapped, collect=collect)
        return found

    async def ensure(self, database: Database, subjects: Iterable[bytes]) -> dict[bytes, Seal]:
        """The keys of these subjects, made where there is none. Concurrent makers agree on one."""
        wanted = set(subjects)
        if wanted <= self._open.keys():
            return {subject: self._open[subject] for subject in wanted}
        async with database.transaction() as connection:
            found = await self.load(connection, wanted)
            missing = sorted(wanted - found.keys())
            if missing:
                keys = [self.vault.new_key(subject) for subject in missing]
                await connection.execute(_CREATE, {"ids": missing, "keys": keys})
                found |= await self.load(connection, missing)
        return found

    async def open_events(self, connection: Connection, records: Sequence[Record]) -> list[Opened]:
        """The facts in these records, in order; those whose key was destroyed are left out."""
        boxes = await self.load(connection, (record.key for record in records))
        return [
            Opened(key, unpack_event(event_id, payload, boxes[key]), boxes[key])
            for _, key, event_id, payload in records
            if key in boxes
        ]

    def collects(self, subject: SubjectId) -> bool:
        """Whether events of a subject whose key is loaded may be stored."""
        return subject not in self._refusing

    def forget(self, subjects: Iterable[SubjectId]) -> None:
        """Drop what is remembered of these subjects: their key or their consent has changed."""
        for subject in subjects:
            self._open.pop(subject, None)
            self._refusing.discard(subject)

    def forget_all(self) -> None:
        """Start afresh, after changes may have been missed."""
        self._open.clear()
        self._refusing.clear()

    def _keep(self, subject: SubjectId, wrapped: bytes, *, collect: bool) -> Seal:
        seal = self._open[subject] = self.vault.unwrap(subject, wrapped)
        if not collect:
            self._refusing.add(subject)
        if len(self._open) > self._size:
            self.forget([next(iter(self._open))])
        return seal
