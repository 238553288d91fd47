"""Reads from the log what propensities learn from: people as of earlier instants, and what came.

Who is one person, and what they allow, is as it is now. Nothing is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import consent.stage as consent_stage
from cdp import times
from cdp.db import Connection, Database
from cdp.events import ProfileId, SubjectId
from cdp.log import store as log_store
from cdp.people import People
from cdp.times import parse_duration
from consent.model import denied, expired
from consent.standing import granted
from identity import identifiers
from profiles.facts import Somebody
from profiles.language.parsing import counter
from profiles.learning import features
from profiles.learning.hindsight import LAPSE, Goal, Hindsight, Question, instants
from profiles.learning.protocol import Lesson
from profiles.models import store
from profiles.models.store import Model

MOST = 10_000  # people that are learned from; ids are hashes: the first of them are drawn at random
_SLICE = 1000  # events that are folded before others may do something
_PEOPLE = 100  # likewise people

Told: TypeAlias = Callable[[int], Awaitable[None]]  # of how many people there is something so far
Asked: TypeAlias = Mapping[ProfileId, tuple[Sequence[SubjectId], Somebody]]


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks back on people."""

    database: Database
    people: People

    async def back(self, model: Model, told: Told) -> Lesson:
        """What a model is learned from: of a sample of those who allow its purpose now."""
        definition, now = model.active or {}, times.now()
        question = _question(model)
        lesson = Lesson(model.kind, definition, [])
        async with self.database.transaction() as connection:
            await self.people.keyring.renew(connection)
            asked = await self._asked(connection, model.purpose)
            signals = await consent_stage.signals(connection)
            looking = Hindsight(question, instants(now, question.horizon))
            await self._fold(connection, looking, asked)
        for number, (nodes, who) in enumerate(asked.values(), 1):
            for each in looking.examples(nodes, who, signals):
                lesson.observations.append(each.known)
                lesson.truth.append((each.came, each.at))
            if number % _PEOPLE == 0:
                await told(number)
        return lesson

    async def _asked(self, connection: Connection, purpose: str) -> Asked:
        sample = await store.page(connection, b"", MOST)
        nodes = await self.people.nodes(connection, sample)
        stands = await self.people.stands(connection, nodes, times.now())
        allowed = {profile: granted(stands[profile]) for profile in nodes}
        return {
            profile: (mine, Somebody(allowed[profile], self._belongs(mine)))
            for profile, mine in nodes.items()
            if allowed[profile].get(purpose, False)
        }

    async def _fold(self, connection: Connection, looking: Hindsight, asked: Asked) -> None:
        subjects = [subject for nodes, _ in asked.values() for subject in nodes]
        wrong = await self._corrected(connection, subjects)
        async for stretch in log_store.of_subjects(connection, subjects):
            await self.people.keyring.renew(connection)
            for start in range(0, len(stretch), _SLICE):
                records = stretch[start : start + _SLICE]
                for subject, event in await self.people.keyring.open_events(connection, records):
                    if event.id in wrong:
                        continue
                    if event.type not in identifiers.TOLD and not expired(event):
                        identified = identifiers.read(event).identifiers
                        looking.add(subject, event, identified, denied(event))
                await asyncio.sleep(0)

    async def _corrected(self, connection: Connection, subjects: Sequence[SubjectId]) -> set[bytes]:
        """The ids of what was recorded in error, as is known now."""
        found: set[bytes] = set()
        for start in range(0, len(subjects), _SLICE):
            some = subjects[start : start + _SLICE]
            fragments = await self.people.profiles.shelf.open(connection, some)
            for each in fragments.values():
                found |= each.corrected
        return found

    def _belongs(self, nodes: Sequence[SubjectId]) -> Callable[[str, str], bool]:
        mine, hashed = set(nodes), self.people.keyring.vault.subject
        return lambda namespace, value: hashed(namespace, value) in mine


def _question(model: Model) -> Question:
    definition = model.active or {}
    return Question(
        _goal(definition["goal"]),
        parse_duration(definition["horizon"]),
        model.purpose,
        list(features.counters(definition)),
        lambda facts, at: features.observe(facts, definition, at),
    )


def _goal(written: str | Mapping[str, object]) -> Goal:
    if isinstance(written, str):
        assert written == LAPSE
        return Goal()
    event, where = str(written["event"]), written.get("where")
    return Goal(event, counter(event, where, 1) if isinstance(where, list) and where else None)
