"""Folds somebody's events anew where one was recorded in error: counts have no subtraction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from cdp.db import Connection, named
from cdp.events import EVENTS, Event
from cdp.log import store as log_store
from cdp.log.keyring import Keyring
from cdp.log.store import Record
from consent.model import denied, expired
from identity import identifiers
from profiles.folding import Folding
from profiles.fragment import fold
from profiles.stage import Profiles

# What is parked was folded by nobody, and will be once that is mended.
_PARKED = named(
    'select partition, "offset" from parked where topic = :topic and partition = any(:partitions)'
)
_POSITIONS = named(
    "select partition, next_offset from checkpoints"
    " where topic = :topic and partition = any(:partitions)"
)


@dataclass(frozen=True, slots=True)
class Recounting:
    """What an agent does about corrections, in its own transaction."""

    keyring: Keyring
    profiles: Profiles

    async def run(
        self, connection: Connection, folding: Folding, records: Sequence[Record]
    ) -> None:
        """Of those of whom these records, folded just now, correct something.

        Their fragments are locked. They come to hold what the agent has folded until now, and
        these records; counters only as far as their builds have come. The log is read for it.
        """
        homes = {subject: folding.homes[subject] for subject in folding.corrected}
        if not homes:
            return
        folded = await self._folded(connection, set(homes.values()), folding, records)
        counted = await self.profiles.counted(connection, set(homes.values()))
        fresh = {subject: folding.start_over(subject) for subject in homes}
        async for stretch in log_store.of_subjects(connection, homes):
            places = {each.id: (homes[each.key], each.offset) for each in stretch}
            for subject, event in await self.keyring.open_events(connection, stretch):
                place, said = places[event.id], identifiers.read(event)
                if said.subject is None or not is_behaviour(event) or not folded(*place):
                    continue
                counters = counted(*place)
                fold(fresh[subject], event, said.identifiers, counters, denied(event))

    async def _folded(
        self,
        connection: Connection,
        partitions: Collection[int],
        folding: Folding,
        records: Sequence[Record],
    ) -> Callable[[int, int], bool]:
        """Tells of a partition and an offset in it whether that is folded by now."""
        values = {"topic": EVENTS, "partitions": list(partitions)}
        here = {(folding.homes[each.key], each.offset) for each in records}
        ends: dict[int, int] = {}
        if not self.profiles.replaying:
            ends = {row[0]: row[1] for row in await connection.execute(_POSITIONS, values)}
        for partition, offset in here:
            ends[partition] = max(offset + 1, ends.get(partition, 0))
        parked = {(row[0], row[1]) for row in await connection.execute(_PARKED, values)} - here

        def folded(partition: int, offset: int) -> bool:
            return offset < ends[partition] and (partition, offset) not in parked

        return folded


def is_behaviour(event: Event) -> bool:
    """Whether a person did it: neither a word of others nor that time passed."""
    return event.type not in identifiers.TOLD and not expired(event)
