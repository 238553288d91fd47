"""Everything somebody did, newest first, page by page, with the segments they came into."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from cdp import times
from cdp.db import Connection
from cdp.events import Event, Instant, SubjectId, event_name
from cdp.log.keyring import Keyring
from cdp.log.store import partition_of
from cdp.past import store
from cdp.past.store import Move
from consent.model import expired
from identity.identifiers import TOLD

_EVENT, _MOVE = 0, 1  # of what happened at once, entries and exits come first: the newer ones
_LAST = (1 << 63) - 1
_MOST = 5000  # events at hand at once
_AFTER_ALL = b"\xff" * 17  # no id is greater


class Place(NamedTuple):
    """Where something is in the order of the timeline, which nothing that arrives changes."""

    at: Instant
    kind: int
    id: bytes  # an event's, or the place of a move in the ledger

    def packed(self) -> bytes:
        """As a cursor has it."""
        return self.at.to_bytes(8) + bytes([self.kind]) + self.id


Entry: TypeAlias = tuple[Place, Event | Move]


def place(packed: bytes) -> Place:
    """Out of a cursor, whoever made it."""
    at = times.bounded(int.from_bytes(packed[:8]))
    return Place(at, min(packed[8], _MOVE), packed[9:])


class Wanted(NamedTuple):
    """What a page is to have. Both moments are part of it."""

    since: Instant
    until: Instant
    names: Collection[str] = ()  # of events; none: all
    moves: bool = False
    limit: int = 100


class Page(NamedTuple):
    """Entries, and the place of the last of them if there are more."""

    entries: list[Entry]
    next: Place | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Reads a person's part of the log; at most a batch and a page of it is in memory."""

    keyring: Keyring
    partitions: int

    async def page(
        self, connection: Connection, nodes: Collection[SubjectId], wanted: Wanted, after: Place
    ) -> Page:
        """What comes after a place, newest first."""
        moves = await self._moves(connection, nodes, wanted, after)
        entries: list[Entry] = []
        async with aclosing(self._events(connection, nodes, wanted, after)) as events:
            async for entry in events:
                while moves and moves[0][0] > entry[0]:
                    entries.append(moves.pop(0))
                entries.append(entry)
                if len(entries) > wanted.limit:
                    break
        entries += moves
        page = entries[: wanted.limit]
        return Page(page, page[-1][0] if len(entries) > wanted.limit else None)

    async def _events(
        self, connection: Connection, nodes: Collection[SubjectId], wanted: Wanted, after: Place
    ) -> AsyncGenerator[Entry]:
        places = {partition_of(node, self.partitions) for node in nodes}
        before = (after.at, after.id if after.kind == _EVENT else _AFTER_ALL)
        between, most = (wanted.since, wanted.until), wanted.limit + 1
        while True:  # each time the log is read anew, so where much is filtered more at once
            found = await store.events(connection, (places, nodes), between, before, most)
            ats = {record.id: at for at, record in found}
            records = [record for _, record in found]
            for _, event in await self.keyring.open_events(connection, records):
                if _is_theirs(event) and (not wanted.names or name_of(event) in wanted.names):
                    yield Place(ats[event.id], _EVENT, event.id), event
            if len(found) < most:
                return
            before, most = (found[-1][0], found[-1][1].id), min(4 * most, _MOST)

    async def _moves(
        self, connection: Connection, nodes: Collection[SubjectId], wanted: Wanted, after: Place
    ) -> list[Entry]:
        if not wanted.moves:
            return []
        offset = min(int.from_bytes(after.id), _LAST) if after.kind == _MOVE else -1
        before = min((after.at, offset), (wanted.until, _LAST))
        found = await store.moves(connection, nodes, wanted.since, before, wanted.limit + 1)
        return [(Place(move.at, _MOVE, move.offset.to_bytes(16)), move) for move in found]


def name_of(event: Event) -> str:
    """What is filtered by: the name it is counted under, or the type of what is not counted."""
    return event_name(event) or event.type


def newest(until: Instant) -> Place:
    """Before everything up to a moment."""
    return Place(until, _MOVE, _LAST.to_bytes(16))


def _is_theirs(event: Event) -> bool:
    """Not an operator's word, unless it corrects theirs, nor matching's, nor that time passed."""
    return (event.type not in TOLD or bool(event.corrects)) and not expired(event)
