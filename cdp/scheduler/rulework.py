"""Carries new identity rules through the graph, part by part, beside the live agents; tries others.

marking   Values that the rules block are marked; their originals are read from the fragments.
settling  Every raw component is resolved anew. What has not had its turn keeps its old answer.

A trial does the same and writes nothing but what would change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from cdp import times
from cdp.db import Connection, Database, named
from cdp.events import TOUCHED, ProfileId
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.people import People
from cdp.trials import Changes, outcome, seal
from identity import rulebook, store, verdicts
from identity.graph import NodeId
from identity.marks import Marks
from identity.rulebook import RuleBook, Trial, Work
from identity.rules import Rules
from identity.settling import Settling, closed
from profiles import carrying

SLICE = 500  # components, or fragments, in one transaction

_SUBJECTS = named("select subject from fragments where subject > :after order by 1 limit :limit")
_COMPONENTS = named(
    "select distinct component from nodes where component > :after order by 1 limit :limit"
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Trying:
    """A trial under way; what it found so far is here alone, and starts over with the process."""

    trial: Trial
    changes: Changes
    marked: bool
    after: bytes = b""
    seen: set[NodeId] = field(default_factory=set)


@dataclass(slots=True)
class RuleWork:
    """One bounded piece after the other."""

    database: Database
    partitions: int
    people: People
    book: RuleBook = field(default_factory=RuleBook)
    _trying: _Trying | None = None

    async def step(self) -> bool:
        """Do a piece of work; False when there is none."""
        async with self.database.transaction() as connection:
            await self.people.keyring.renew(connection)
            work = await rulebook.work(connection)
            if work is not None:
                await self._carry(connection, work)
                return True
            trial = await rulebook.next_trial(connection)
            if trial is not None:
                await self._try(connection, trial)
            return trial is not None

    async def _carry(self, connection: Connection, work: Work) -> None:
        await store.lock(connection)
        rules = await self.book.refresh(connection)
        if work.state == "marking":
            after = await self._mark(connection, rules, work.position)
            state, done = "marking", after is None
            work = work._replace(state="settling" if done else state, position=after or b"")
        else:
            settling = Settling(connection, rules, ())
            components = await _components(connection, work.position)
            if components:
                await settling.exactly(dict.fromkeys(components, b"rules %d" % work.version))
                await self._tell(connection, settling)
            last = components[-1] if components else work.position
            work = work._replace(state="settling" if components else "done", position=last)
        await rulebook.advance(connection, work)
        if work.state == "done":
            log.info("rules_done", version=work.version)

    async def _mark(self, connection: Connection, rules: Rules, after: bytes) -> bytes | None:
        """Mark what a slice of the fragments names; None when all are done."""
        if not after:
            await rulebook.forget_spellings(connection)
        if not rules.block_anything:
            await rulebook.unmark_all(connection)
        if not rules.block_anything and not rules.reads_spellings:
            return None
        subjects = await _subjects(connection, after)
        marks = Marks(rules, self.people.keyring.vault.subject)
        marks.add(await self.people.carried(connection, subjects))
        await rulebook.mark(connection, sorted(marks.blocked), sorted(marks.free))
        await store.put_nodes(connection, marks.spelled_nodes(), ())
        await store.put_edges(connection, sorted(marks.spelled_edges()))
        return subjects[-1] if subjects else None

    async def _tell(self, connection: Connection, settling: Settling) -> None:
        """The history, the segments of who splits off, and the agents that look at profiles."""
        now = times.now()
        await verdicts.record(connection, settling.moves, now)
        await carrying.split(connection, settling.split, now)
        messages = [Message(TOUCHED, each, b"definition") for each in sorted(settling.moved)]
        await log_store.emit(connection, messages, self.partitions)

    async def _try(self, connection: Connection, trial: Trial) -> None:
        current = await self.book.refresh(connection)
        if self._trying is None or self._trying.trial.id != trial.id:
            rules = rulebook.read(trial.rules)
            as_now = rules.marking == current.marking
            marks = None if as_now else Marks(rules, self.people.keyring.vault.subject)
            changes = Changes(rules, marks)
            self._trying = _Trying(trial, changes, marked=as_now)
        trying = self._trying
        if not trying.marked:
            await self._look_for_marks(connection, trying)
            return
        components = await _components(connection, trying.after)
        if components:
            changes = trying.changes
            part = await closed(connection, changes.rules, components, changes.marks, on_trial=True)
            changes.note(part)
            trying.seen.update(each.node.id for each in part.members)
            trying.after = components[-1]
            done = min(len(trying.seen), trial.total)
            await rulebook.tried(connection, trial._replace(state="running", done=done))
            return
        found = await outcome(connection, self.people, current, trying.changes)
        sealed = seal(self.people.keyring.vault.system, trial.id, found)
        ended = trial._replace(state="done", done=trial.total, result=sealed)
        await rulebook.tried(connection, ended)
        self._trying = None

    async def _look_for_marks(self, connection: Connection, trying: _Trying) -> None:
        rules, marks = trying.changes.rules, trying.changes.marks
        assert marks is not None
        subjects: list[ProfileId] = []
        if rules.block_anything or rules.reads_spellings:
            subjects = await _subjects(connection, trying.after)
        marks.add(await self.people.carried(connection, subjects))
        trying.marked = not subjects
        trying.after = subjects[-1] if subjects else b""


async def _components(connection: Connection, after: bytes) -> list[bytes]:
    rows = await connection.execute(_COMPONENTS, {"after": after, "limit": SLICE})
    return [row[0] for row in rows]


async def _subjects(connection: Connection, after: bytes) -> list[ProfileId]:
    rows = await connection.execute(_SUBJECTS, {"after": after, "limit": SLICE})
    return [row[0] for row in rows]
