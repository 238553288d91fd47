"""Carries a change of definitions through all of history, beside the live agents.

counting  New counters are kept live from each partition's position on, and filled from the log up
          to it. Both sides lock a fragment before they change it, and counting commutes.
touching  Every profile is put on the touched topic, a few at a time, to be looked at anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import structlog

from cdp.db import Connection, Database, named
from cdp.events import EVENTS, TOUCHED, event_name
from cdp.log import store as log_store
from cdp.log.keyring import Keyring
from cdp.log.store import Message
from cdp.stream import checkpoints
from consent.model import denied
from profiles import defining, fragment, keeping
from profiles.fragment import Counting
from profiles.stage import Profiles

SLICE = 1000  # events counted, or profiles touched, in one transaction
MAX_LAG = 5000  # touched profiles waiting before we hold back

_NEXT = named("select id, state, touched_to from builds where state <> 'done' order by id limit 1")
# Builds that have not begun ride along with the one that begins now: one pass over the log.
_ADOPT = """
    with waiting as (
        select id from builds where state = 'counting' and id > :build
           and not exists (select from build_partitions p where p.build = builds.id) for update)
    update {table} set build = :build where build in (select id from waiting)
"""
_ADOPT_COUNTERS = named(_ADOPT.format(table="counters"))
_ADOPT_SEGMENTS = named(_ADOPT.format(table="segments"))
_ADOPT_COMPUTED = named(_ADOPT.format(table="computed_traits"))
_ADOPT_MODELS = named(_ADOPT.format(table="models"))
_ADOPTED = named(
    """
    update builds b set state = 'done', finished_at = now()
     where state = 'counting' and id > :build
       and not exists (select from build_partitions p where p.build = b.id)
    """
)
_ADOPTING = (_ADOPT_COUNTERS, _ADOPT_SEGMENTS, _ADOPT_COMPUTED, _ADOPT_MODELS, _ADOPTED)
_PIN = named(
    """
    insert into build_partitions (build, partition, since)
    select :build, partition, next_offset from checkpoints
     where topic = :topic on conflict do nothing
    """
)
_LOCK_POSITIONS = named(
    "select partition from checkpoints where topic = :topic order by partition for update"
)
_OPEN_PART = named(
    """
    select partition, since, done from build_partitions
     where build = :build and done < since order by partition limit 1
    """
)
_ADVANCE = named(
    "update build_partitions set done = :done where build = :build and partition = :partition"
)
_STATE = named(
    """
    update builds set state = :state,
           finished_at = case when :state = 'done' then now() end where id = :build
    """
)
_PROFILES = named("select id from profiles where id > :after order by id limit :limit")
_TOUCHED_TO = named("update builds set touched_to = :to where id = :build")

log = structlog.get_logger(__name__)


class _Build(NamedTuple):
    id: int
    state: str
    touched_to: bytes


@dataclass(frozen=True, slots=True)
class Builder:
    """Works on one build after the other."""

    database: Database
    partitions: int
    keyring: Keyring
    profiles: Profiles

    async def step(self) -> bool:
        """Do a bounded piece of work; False when there is none, or it must wait."""
        async with self.database.transaction() as connection:
            row = (await connection.execute(_NEXT)).first()
            if row is None:
                return False
            build = _Build(*row)
            await self.keyring.renew(connection)
            if build.state == "touching":
                return await self._touch(connection, build)
            counters = fragment.counting(
                (kept.id, kept.counter)
                for kept in await keeping.kept(connection)
                if kept.build == build.id
            )
            return await self._count(connection, build, counters)

    async def _count(self, connection: Connection, build: _Build, counters: Counting) -> bool:
        part = (await connection.execute(_OPEN_PART, {"build": build.id})).first()
        if part is None:
            if await self._begin(connection, build):
                return True
            return await self._activate(connection, build)
        partition, since, done = part
        limit = min(SLICE, since - done)
        found = await log_store.read(connection, EVENTS, {partition: done}, limit)
        records = found.get(partition, [])[:limit]
        opened = [
            each
            for each in await self.keyring.open_events(connection, records)
            if event_name(each.event) in counters.by_event
        ]
        subjects = {each.subject for each in opened}
        fragments = await self.profiles.shelf.open(connection, subjects, lock=True)
        for each in opened:
            if each.subject in fragments:  # an event about nobody has none
                mine = fragments[each.subject]
                fragment.count(mine, each.event, counters, denied(each.event))
        await self.profiles.shelf.seal(connection, fragments)
        end = records[-1].offset + 1 if records else since
        values = {"done": end, "build": build.id, "partition": partition}
        await connection.execute(_ADVANCE, values)
        return True

    async def _begin(self, connection: Connection, build: _Build) -> bool:
        """Note where history ends for this build; False if that was done before.

        The live agents hold still meanwhile, so that no event falls between them and history.
        """
        await defining.bump(connection)  # nobody defines anything while builds are joined
        await connection.execute(_LOCK_POSITIONS, {"topic": EVENTS})
        pinned = await connection.execute(_PIN, {"build": build.id, "topic": EVENTS})
        if not pinned.rowcount:
            return False
        for statement in _ADOPTING:
            await connection.execute(statement, {"build": build.id})
        return True

    async def _activate(self, connection: Connection, build: _Build) -> bool:
        await defining.activate(connection, build.id)
        await connection.execute(_STATE, {"build": build.id, "state": "touching"})
        log.info("build_counted", build=build.id)
        return True

    async def _touch(self, connection: Connection, build: _Build) -> bool:
        if (await checkpoints.lag(connection)).get(TOUCHED, 0) > MAX_LAG:
            return False
        values = {"after": build.touched_to, "limit": SLICE}
        ids = [row[0] for row in await connection.execute(_PROFILES, values)]
        if not ids:
            await connection.execute(_STATE, {"build": build.id, "state": "done"})
            log.info("build_done", build=build.id)
            return True
        messages = [Message(TOUCHED, profile, b"definition") for profile in ids]
        await log_store.emit(connection, messages, self.partitions)
        await connection.execute(_TOUCHED_TO, {"build": build.id, "to": ids[-1]})
        return True
