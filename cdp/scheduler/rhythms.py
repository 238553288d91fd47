"""When people are there: by hour of their day, for all and for each time zone, from a sample.

Ids of profiles are keyed hashes, so the first of them in order are people picked at random.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from activation.pacing import store
from activation.pacing.store import EVERYBODY
from cdp import times
from cdp.db import Connection, Database, named
from cdp.people import People

PEOPLE = 2_000  # that are looked at
SLICE = 200  # at once
KEPT = 400 * 86_400 * times.SECOND  # longer than a cap can look back
FEW = 20  # people of a cohort: fewer say nothing, and might be told from each other

_SAMPLE = named("select id from profiles where id > :after order by id limit :most")


@dataclass(frozen=True, slots=True)
class Rhythms:
    """Counts anew, and forgets what no cap looks back to."""

    database: Database
    people: People

    async def step(self) -> int:
        """Look at a sample of all people; returns how many there were."""
        cohorts: dict[str, Counter[int]] = {}
        sizes: Counter[str] = Counter()
        after, seen = b"", 0
        async with self.database.transaction() as connection:
            while seen < PEOPLE and (found := await self._slice(connection, after)):
                for zone, hours in found.values():
                    for cohort in {EVERYBODY, zone}:
                        cohorts.setdefault(cohort, Counter()).update(hours)
                        sizes[cohort] += 1
                after, seen = max(found), seen + len(found)
            told = {c: each for c, each in cohorts.items() if c == EVERYBODY or sizes[c] >= FEW}
            await store.put_hours(connection, told)
            await store.forget(connection, times.now() - KEPT)
        return seen

    async def _slice(
        self, connection: Connection, after: bytes
    ) -> dict[bytes, tuple[str, dict[int, int]]]:
        rows = await connection.execute(_SAMPLE, {"after": after, "most": SLICE})
        ids = [row[0] for row in rows]
        views = await self.people.load(connection, ids)
        found: dict[bytes, tuple[str, dict[int, int]]] = {each: (EVERYBODY, {}) for each in ids}
        for profile, view in views.items():
            hours = {int(hour): times for hour, times in view["active_hours"].items()}
            found[profile] = view["timezone"] or EVERYBODY, hours
        return found
