"""Subjects' data keys at hand: loaded in bulk, made on first sight, kept within a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cdp.db import Connection, Database, named
from cdp.events import Event, SubjectId
from cdp.log.codec import unpack_event
from cdp.log.store import Record
from cdp.log.vault import Seal, Vault

_LOAD = named(
    """
    select id, key, not exists (select from uncollectable u where u.subject = s.id)
      from subjects s where id = any(:ids)
    """
)
_CREATE = named(
    """
    insert into subjects (id, key)
    select * from unnest(cast(:ids as bytea[]), cast(:keys as bytea[]))
    on conflict (id) do nothing
    """
)


class Opened(NamedTuple):
    """A fact from the log in clear, and its subject."""

    subject: SubjectId
    event: Event


class Held(NamedTuple):
    """A subject's open data key, and whether its events may be stored at all."""

    box: Seal
    collect: bool


class Keyring:
    """An LRU of open data keys. A subject whose key was destroyed is simply not in the answer."""

    def __init__(self, vault: Vault, *, size: int = 50_000) -> None:
        self.vault = vault
        self._size = size
        self._held: OrderedDict[SubjectId, Held] = OrderedDict()
        self._forgets = 0

    async def load(
        self, connection: Connection, subjects: Iterable[SubjectId]
    ) -> dict[SubjectId, Seal]:
        """The keys of these subjects, as far as they exist."""
        held = await self._read(connection, set(subjects))
        return {subject: each.box for subject, each in held.items()}

    async def ensure(
        self, database: Database, subjects: Iterable[SubjectId]
    ) -> dict[SubjectId, Held]:
        """The keys of these subjects, made where there is none. Concurrent makers agree on one."""
        wanted = set(subjects)
        if wanted <= self._held.keys():
            return {subject: self._held[subject] for subject in wanted}
        async with database.transaction() as connection:
            found = await self._read(connection, wanted)
            missing = sorted(wanted - found.keys())
            if missing:
                keys = [self.vault.new_key(subject) for subject in missing]
                await connection.execute(_CREATE, {"ids": missing, "keys": keys})
                found |= await self._read(connection, set(missing))
        return found

    async def open_events(self, connection: Connection, records: Sequence[Record]) -> list[Opened]:
        """The facts in these records, in order; those whose key was destroyed are left out."""
        return list(opened(records, await self.load(connection, (r.key for r in records))))

    def forget(self, subjects: Iterable[SubjectId]) -> None:
        """Drop what is remembered of these subjects: their key or their consent has changed."""
        self._forgets += 1
        for subject in subjects:
            self._held.pop(subject, None)

    def forget_all(self) -> None:
        """Start afresh, after changes may have been missed."""
        self._forgets += 1
        self._held.clear()

    async def _read(
        self, connection: Connection, subjects: set[SubjectId]
    ) -> dict[SubjectId, Held]:
        found: dict[SubjectId, Held] = {}
        missing: list[SubjectId] = []
        for subject in subjects:
            held = self._held.get(subject)
            if held is None:
                missing.append(subject)
            else:
                self._held.move_to_end(subject)
                found[subject] = held
        if not missing:
            return found
        forgets = self._forgets
        rows = (await connection.execute(_LOAD, {"ids": missing})).all()
        for subject, wrapped, collect in rows:
            found[subject] = Held(self.vault.unwrap(subject, wrapped), collect)
            if forgets == self._forgets:  # else what was read may be out of date by now
                self._held[subject] = found[subject]
        while len(self._held) > self._size:
            self._held.popitem(last=False)
        return found


def opened(records: Iterable[Record], boxes: Mapping[SubjectId, Seal]) -> Iterator[Opened]:
    """The facts in these records, one by one; those whose key is not among these are left out."""
    for _, key, event_id, payload in records:
        box = boxes.get(key)
        if box is not None:
            yield Opened(key, unpack_event(event_id, payload, box))
