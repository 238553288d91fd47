"""Rebuilds every projection from the log, beside the live ones; then compares, or swaps.

A replay folds recorded facts and decides nothing: no entry is recorded twice, nothing is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import profiles.store as profile_store
from cdp import digest, times
from cdp.db import Connection, Database, named
from cdp.digest import Digest
from cdp.errors import Conflict
from cdp.events import EVENTS, TOPICS, TOUCHED, Instant
from cdp.exchange import exchange
from cdp.log import erasures
from cdp.log import store as log_store
from cdp.log.store import Record
from cdp.migrate import RESTORE
from cdp.pipeline import Pipeline
from cdp.privacy import projections
from cdp.stream import checkpoints
from cdp.stream.stage import Unit

SCHEMA = "replay"
CHUNK = 20_000  # events in one transaction
PROFILES = 2_000  # profiles in one transaction
QUIET_SECONDS = 60.0

PROJECTIONS = (
    "nodes",
    "edges",
    "verdicts",
    "inferences",
    "decisions",
    "seen_in",
    "fragments",
    "profiles",
    "memberships",
)

_DROP = named("drop schema if exists replay cascade")
_CREATE = named("create schema replay")
_HEADS = named("select partition, next_offset from heads where topic = :topic")
_LOCK = named(
    """
    select topic, partition, next_offset from checkpoints where topic = any(:topics)
     order by topic, partition for update
    """
)
_PARKED = named('select partition, "offset" from parked where topic = :topic')
_RESTORED = named("delete from meta where key = :key")
_PROFILES = named(
    "select distinct profile from nodes where profile > :after order by profile limit :limit"
)
_BUSY = named(
    """
    select (select count(*) from builds where state <> 'done')
         + (select count(*) from identity_rules where state <> 'done')
         + (select count(*) from profiles where due <= :now)
    """
)
# Since when somebody is in a segment was decided live: it is taken from the ledger.
_SINCE = named(
    """
    update memberships m set since = c.since
      from (select distinct on (segment, profile) segment, profile, since from (
                select segment, profile, at, at as since from changes where entered
                union all select segment, profile, at, since from carried where entered) e
             order by segment, profile, at desc) c
      join segments s on s.key = c.segment
     where m.segment = s.id and m.profile = c.profile
    """
)
_DIFFERENCES = named(
    """
    select s.key, d.profile, d.entered from (
        (select segment, profile, true as entered from replay.memberships
         except select segment, profile, true from public.memberships)
        union all
        (select segment, profile, false from public.memberships
         except select segment, profile, false from replay.memberships)) d
      join segments s on s.id = d.segment
    """
)

Progress: TypeAlias = Callable[[str, int, int], None]  # (what, done, of how many)


class Comparison(NamedTuple):
    """A projection's live digest beside its replayed one."""

    live: Digest
    replayed: Digest

    @property
    def equal(self) -> bool:
        """Whether they are the same state."""
        return self.live == self.replayed


@dataclass(slots=True)
class Replay:
    """`live` is the database as it is; `shadow` is a pipeline over the schema beside it."""

    live: Database
    shadow: Pipeline
    progress: Progress = lambda what, done, of: None
    _positions: dict[int, int] = field(default_factory=dict)
    _erasures: int = erasures.UNKNOWN  # how many there were when it began
    _parked: frozenset[tuple[int, int]] = frozenset()  # left out, as the agents did

    async def verify(self) -> list[Comparison]:
        """Rebuild beside the live state, as of a moment when that has caught up, and compare."""
        await self._make_room()
        async with self.live.snapshot() as connection:
            now, ends = await self._quiet(connection)
            digests = await digest.all_of(connection, self.shadow.keyring)
        await self._fold(ends)
        await self._evaluate(now)
        async with self.shadow.database.transaction() as connection:
            if (await erasures.since(connection, self._erasures)).subjects:
                raise Conflict("somebody was erased meanwhile: verify again")
            replayed = await digest.all_of(connection, self.shadow.keyring)
        await self._clean_up()
        return [Comparison(a, b) for a, b in zip(digests, replayed, strict=True)]

    async def replace(self) -> int:
        """Rebuild and put the result in the live state's place; returns events replayed."""
        await self._make_room()
        async with self.live.transaction() as connection:
            ends = await _ends(connection)
        await self._fold(ends)
        await self._evaluate(times.now())
        await self._swap()
        await self._clean_up()
        await self.shadow.people.views.clear()
        return sum(self._positions.values())

    async def adopt(self) -> int:
        """Rebuild what a restored log amounts to as far as its agents had come; none runs yet.

        Who is in a segment was decided live, and stays. Where that is not what would be decided
        now, the agents look at the profile again. Returns events replayed.
        """
        await self._make_room()
        async with self.live.transaction() as connection:
            places = await checkpoints.positions(connection)
            rows = await connection.execute(_PARKED, {"topic": EVENTS})
            self._parked = frozenset((row[0], row[1]) for row in rows)
        await self._fold({p: offset for (topic, p), offset in places.items() if topic == EVENTS})
        await self._evaluate(times.now())
        async with self.shadow.database.transaction() as connection:
            rows = await connection.execute(_DIFFERENCES)
            unit = Unit(connection, times.now())
            for profile in sorted({row[1] for row in rows}):
                unit.emit(TOUCHED, profile, b"replay")
            await exchange(connection, SCHEMA, [t for t in PROJECTIONS if t != "memberships"])
            await log_store.emit(connection, unit.messages, self.shadow.partitions)
            await connection.execute(_RESTORED, {"key": RESTORE})
        await self._clean_up()
        await self.shadow.people.views.clear()
        return sum(self._positions.values())

    async def _make_room(self) -> None:
        self._positions.clear()
        async with self.live.transaction() as connection:
            self._erasures = (await erasures.since(connection, erasures.UNKNOWN)).total
            await connection.execute(_DROP)
            await connection.execute(_CREATE)
            for table in PROJECTIONS:
                like = f"create table replay.{table} (like public.{table} including all)"
                await connection.exec_driver_sql(like)

    async def _clean_up(self) -> None:
        async with self.live.transaction() as connection:
            await connection.execute(_DROP)

    async def _quiet(self, connection: Connection) -> tuple[Instant, Mapping[int, int]]:
        now = times.now()
        lag = await checkpoints.lag(connection)
        busy = (await connection.execute(_BUSY, {"now": now})).scalar_one()
        if lag[EVENTS] or lag[TOUCHED] or busy:
            raise Conflict("the live state has not caught up with the log")
        return now, await _ends(connection)

    async def _fold(self, ends: Mapping[int, int]) -> None:
        done, total = sum(self._positions.values()), sum(ends.values())
        while done < total:
            async with self.shadow.database.transaction() as connection:
                records = await self._next(connection, ends)
                if records:
                    await self.shadow.on_events(Unit(connection, times.now()), records)
            done = sum(self._positions.values())
            self.progress("events", done, total)

    async def _next(self, connection: Connection, ends: Mapping[int, int]) -> list[Record]:
        """The next chunk, from one partition: its subjects come together."""
        for partition, end in ends.items():
            position = self._positions.get(partition, 0)
            if position < end:
                limit = min(CHUNK, end - position)
                parts = await log_store.read(connection, EVENTS, {partition: position}, limit)
                self._positions[partition] = position + len(parts[partition])
                return [r for r in parts[partition] if (partition, r.offset) not in self._parked]
        return []

    async def _evaluate(self, now: Instant) -> None:
        after, done = b"", 0
        while True:
            async with self.shadow.database.transaction() as connection:
                values = {"after": after, "limit": PROFILES}
                ids = [row[0] for row in await connection.execute(_PROFILES, values)]
                if not ids:
                    return
                await self.shadow.evaluate(Unit(connection, now), dict.fromkeys(ids, "replay"))
            after, done = ids[-1], done + len(ids)
            self.progress("profiles", done, 0)

    async def _swap(self) -> None:
        """Under the agents' checkpoints: they wait, and go on with the new state."""
        async with self.shadow.database.transaction() as connection:
            rows = await connection.execute(_LOCK, {"topics": list(TOPICS)})
            current = {row[1]: row[2] for row in rows if row[0] == EVENTS}
            unit = Unit(connection, times.now())
            shelf = self.shadow.profiles.shelf
            await projections.leave_out(connection, self.shadow.keyring, self._erasures, shelf.open)
            while records := await self._next(connection, current):
                await self.shadow.on_events(unit, records)
            await connection.execute(_SINCE)
            changed = [
                profile_store.Change(key, profile, entered, unit.now, "replay")
                for key, profile, entered in await connection.execute(_DIFFERENCES)
            ]
            await exchange(connection, SCHEMA, PROJECTIONS)
            await profile_store.record(connection, changed)
            await log_store.emit(connection, unit.messages, self.shadow.partitions)


async def _ends(connection: Connection) -> dict[int, int]:
    rows = await connection.execute(_HEADS, {"topic": EVENTS})
    return {row[0]: row[1] for row in rows}


async def until_quiet(replay: Replay) -> list[Comparison]:
    """Verify once the live state has caught up; Conflict if it does not within a minute."""
    deadline = asyncio.get_running_loop().time() + QUIET_SECONDS
    while True:
        try:
            return await replay.verify()
        except Conflict:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.2)
