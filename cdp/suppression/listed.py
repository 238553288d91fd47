"""The suppression list as a process holds it: all hashes in little memory, asked for every event.

Hashes are spread evenly, so their first two bytes say in which of 65,536 strings to look. A million
of them take about 20 MB. But most events mention just what others did a moment ago: what was found
to name nobody in the list is remembered, until the list grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from cdp.db import Database
from cdp.events import Event, SubjectId
from cdp.log.codec import plain_opened
from cdp.log.writing import Fact
from cdp.suppression import store
from cdp.suppression.store import Changes

_BUCKETS = 1 << 16
_BYTES = 16  # of a hash
_SLICE = 20_000  # changes read at once; the others get their turn in between
_REMEMBERED = 100_000  # mentions


class Suppressed:
    """Every identifier of which nothing is stored, as of a number of the list's changes.

    `beside` gives the hashes of all identifiers that an event names beside its subject, and
    `mentioned` what that follows from, where it is little.
    """

    def __init__(
        self,
        beside: Callable[[Event], tuple[SubjectId, ...]],
        mentioned: Callable[[Event], tuple[str | None, ...] | None],
    ) -> None:
        self._beside = beside
        self._mentioned = mentioned
        self._clean: set[int] = set()  # hashes of mentions; Python's are keyed by the process
        self.number = 0
        self._count = 0
        self._buckets = [b""] * _BUCKETS
        self._renewing = asyncio.Lock()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, subject: SubjectId) -> bool:
        return subject in self._buckets[subject[0] << 8 | subject[1]]

    def look(self, event: Event, subject: SubjectId) -> int:
        """The number as of which an event names nobody suppressed; -1 if it names somebody."""
        if not self._count:
            return self.number
        mentioned = self._mentioned(event)
        if mentioned is None:
            return -1 if self._names_one(event, subject) else self.number
        key = hash(mentioned)
        if key not in self._clean:
            if self._names_one(event, subject):
                return -1
            if len(self._clean) >= _REMEMBERED:
                self._clean.clear()
            self._clean.add(key)
        return self.number

    def among(self, facts: Sequence[Fact]) -> frozenset[bytes]:
        """The ids of those facts that name somebody suppressed."""
        number = self.number
        unsure = [fact for fact in facts if fact.listed != number] if self._count else ()
        return frozenset(
            fact.id
            for fact in unsure
            if self._names_one(fact.event or plain_opened(fact.plain), fact.subject)
        )

    async def renew(self, database: Database) -> bool:
        """Learn what has changed in the list until now; False if nothing has."""
        before = self.number
        async with self._renewing:
            while await self._learn(database):
                pass
        return self.number > before

    async def _learn(self, database: Database) -> bool:
        async with database.autocommit() as connection:
            changes = await store.since(connection, self.number, _SLICE)
        if changes is not None:
            self.learn(changes)
        return changes is not None

    def learn(self, changes: Changes) -> None:
        """Take up the next changes of the list."""
        buckets = self._buckets
        self._clean.clear()
        for subject in _each(changes.suppressed):
            place = subject[0] << 8 | subject[1]
            if subject not in buckets[place]:
                buckets[place] += subject
                self._count += 1
        for subject in _each(changes.lifted):
            place = subject[0] << 8 | subject[1]
            if subject in buckets[place]:
                buckets[place] = buckets[place].replace(subject, b"")
                self._count -= 1
        self.number = changes.number

    def _names_one(self, event: Event, subject: SubjectId) -> bool:
        return any(name in self for name in (subject, *self._beside(event)))


def _each(hashes: bytes) -> Iterator[SubjectId]:
    return (hashes[at : at + _BYTES] for at in range(0, len(hashes), _BYTES))
