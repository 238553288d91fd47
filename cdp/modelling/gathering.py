"""Who allows a model's purpose, and what may be seen of them for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import consent.stage as consent_stage
from cdp import times
from cdp.db import Connection
from cdp.events import ProfileId, SubjectId
from cdp.people import People
from consent.standing import granted
from profiles.facts import Facts, Sight
from profiles.learning.features import Observation, observe
from profiles.models.store import Model
from profiles.stage import Person


class Seen(NamedTuple):
    """A person as each purpose may see them, and which identifiers are theirs."""

    person: Person
    sight: Sight

    def by(self, purpose: str) -> Facts | None:
        """What a purpose may see of them; None if they do not allow it."""
        return self.sight(purpose) if self.person.granted.get(purpose, False) else None

    @property
    def nodes(self) -> Collection[SubjectId]:
        """Their identifiers."""
        return self.person.nodes


@dataclass(frozen=True, slots=True)
class Gathering:
    """Looks at people, some at a time."""

    people: People

    async def seen(
        self, connection: Connection, profiles: Collection[ProfileId]
    ) -> dict[ProfileId, Seen]:
        """Those of whom there is anything, as they stand now; to be read before the next await."""
        nodes = await self.people.nodes(connection, profiles)
        stands = await self.people.stands(connection, nodes, times.now())
        persons = {
            profile: Person(profile, mine, granted(stands[profile]), None, "")
            for profile, mine in nodes.items()
        }
        signals = await consent_stage.signals(connection)
        sights = await self.people.profiles.sights(connection, list(persons.values()), signals)
        return {profile: Seen(persons[profile], sight) for profile, sight in sights.items()}

    async def observed(
        self, connection: Connection, model: Model, profiles: Collection[ProfileId]
    ) -> list[Observation]:
        """Those of them who allow the model's purpose, as its features have them."""
        seen = await self.seen(connection, profiles)
        look = self.observer(model)
        return [each for each in (look(one) for one in seen.values()) if each is not None]

    @staticmethod
    def observer(model: Model) -> Observer:
        """What the model looks at of somebody."""
        assert model.active is not None  # one that is fitted has its counters
        return Observer(model.purpose, model.active, times.now())


class Observer(NamedTuple):
    """Makes an observation of a person, as of an instant."""

    purpose: str
    definition: dict[str, object]
    now: int

    def __call__(self, seen: Seen) -> Observation | None:
        """None of those who do not allow the purpose, or did nothing that it may see."""
        facts = seen.by(self.purpose)
        if facts is None or facts.seen("last") is None:
            return None
        return observe(facts, self.definition, self.now)
