"""Fragments in clear: opened when they are needed, sealed when they change, at hand in between."""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from cdp.db import Connection
from cdp.events import Box, SubjectId
from profiles import fragment, store
from profiles.fragment import Fragment
from profiles.store import Stored

SIZE = 10_000  # fragments; about 4 KB each

# The data keys of subjects, as far as they exist.
Unlock: TypeAlias = Callable[[Connection, Iterable[SubjectId]], Awaitable[Mapping[SubjectId, Box]]]


class Shelf:
    """Each fragment lies here under the tag that its stored form carries.

    A writer gives what it stores a tag that nobody gave before. So the tag alone tells whether a
    fragment here is the stored one, whoever wrote last and whatever was rolled back.
    """

    def __init__(self, unlock: Unlock, size: int = SIZE) -> None:
        self._unlock = unlock
        self._size = size
        self._held: OrderedDict[SubjectId, tuple[int, Fragment]] = OrderedDict()
        self._tags = itertools.count(random.getrandbits(62))

    async def open(
        self, connection: Connection, subjects: Iterable[SubjectId], *, lock: bool = False
    ) -> dict[SubjectId, Fragment]:
        """The fragments of these subjects, as far as there are any and their keys exist.

        With `lock` they are the caller's, to be changed and sealed in the same transaction. Without
        they are to be read before the next await: whoever locks them then changes them in place.
        """
        stored: dict[SubjectId, Stored] = {}
        boxes: Mapping[SubjectId, Box] = {}
        wanted = set(subjects)
        while wanted:
            tags = {subject: self._tag(subject) for subject in wanted}
            stored |= await store.fragments(connection, tags, lock=lock)
            sealed = [subject for subject, each in stored.items() if each.data is not None]
            if sealed:
                boxes = await self._unlock(connection, sealed)
            # Another agent of this worker may have taken some away meanwhile: ask for their bytes.
            wanted = {
                subject
                for subject, (tag, data) in stored.items()
                if data is None and self._tag(subject) != tag
            }
        # Those at hand first: laying down the others may make room at their expense.
        found = {s: self._at_hand(s, lock=lock) for s, each in stored.items() if each.data is None}
        for subject, (tag, data) in stored.items():
            if data is not None and subject in boxes:
                plain = boxes[subject].unpack(data, fragment.sealed_as(subject))
                found[subject] = fragment.decode(plain)
                if not lock:
                    self._keep(subject, tag, found[subject])
        return found

    def version(self, subject: SubjectId) -> int | None:
        """What the fragment at hand is stored as; another one, or none, once it has changed."""
        return self._tag(subject)

    async def seal(self, connection: Connection, fragments: Mapping[SubjectId, Fragment]) -> None:
        """Store fragments that were locked, or are new."""
        if not fragments:
            return
        boxes = await self._unlock(connection, fragments)
        sealed = {
            subject: Stored(
                next(self._tags),
                boxes[subject].pack(fragment.encode(each), fragment.sealed_as(subject)),
            )
            for subject, each in fragments.items()
        }
        await store.put_fragments(connection, sealed)
        for subject, each in fragments.items():
            self._keep(subject, sealed[subject].tag, each)

    def forget(self, subjects: Iterable[SubjectId]) -> None:
        """Nothing of these subjects is to be at hand any more."""
        for subject in subjects:
            self._held.pop(subject, None)

    def _tag(self, subject: SubjectId) -> int | None:
        held = self._held.get(subject)
        return held[0] if held else None

    def _at_hand(self, subject: SubjectId, *, lock: bool) -> Fragment:
        if lock:
            return self._held.pop(subject)[1]
        self._held.move_to_end(subject)
        return self._held[subject][1]

    def _keep(self, subject: SubjectId, tag: int, each: Fragment) -> None:
        self._held[subject] = (tag, each)
        self._held.move_to_end(subject)
        while len(self._held) > self._size:
            self._held.popitem(last=False)
