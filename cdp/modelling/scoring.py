"""Says of people what models make of them: all after a fit, and whoever has changed since.

What is said is a fact in the log, told only when it is something else than before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog

from cdp import facts, times
from cdp.db import Connection, Database
from cdp.events import Event, Identifier, ProfileId, SubjectId
from cdp.log import store as log_store
from cdp.log.writing import fact_of, sealed
from cdp.modelling.gathering import Gathering, Seen
from cdp.modelling.learning import last
from cdp.people import People
from cdp.suppression import store as suppression_store
from identity import identifiers
from profiles.fragment import PREDICT
from profiles.learning import protocol
from profiles.learning.protocol import Fitted
from profiles.models import store
from profiles.models.store import Model

SLICE = 200  # people in one transaction; timers wait for no longer
TURNS = 50  # slices in one round

log = structlog.get_logger(__name__)


class Said(NamedTuple):
    """Something new that a model says of a person."""

    profile: ProfileId
    model: Model
    value: Any


@dataclass(slots=True)
class Scoring:
    """One slice after the other; keeps the parameters of models at hand."""

    database: Database
    partitions: int
    people: People
    _held: dict[int, tuple[int, Fitted]] = field(default_factory=dict)

    async def step(self) -> bool:
        """Score some who have changed, and some of all after a fit; False when nobody is left."""
        async with self.database.transaction() as connection:
            taken = await store.take(connection, SLICE)
            if taken:
                models = [each for each in await store.listed(connection) if each.fit is not None]
                await self._score(connection, models, taken)
        async with self.database.transaction() as connection:
            filling = await store.filling(connection)
            if filling is None:
                return bool(taken)
            page = await store.page(connection, filling.position or b"", SLICE)
            await self._score(connection, [filling], page)
            await store.advance(connection, filling, page[-1] if page else None)
            return True

    async def _score(
        self, connection: Connection, models: Sequence[Model], profiles: Collection[ProfileId]
    ) -> None:
        if not (models and profiles):
            return
        await self.people.keyring.renew(connection)
        learned = [(each, await self._parameters(connection, each)) for each in models]
        seen = await Gathering(self.people).seen(connection, profiles)
        # Until nothing is looked at any more nobody else may change it: no await in between.
        new = [said for model, by in learned if by for said in _said(model, by, seen)]
        if new:
            await self._tell(connection, new, seen)

    async def _parameters(self, connection: Connection, model: Model) -> Mapping[str, Any] | None:
        """What the model goes by; None while it was changed and has not learned since."""
        assert model.fit is not None
        held = self._held.get(model.id)
        if held is None or held[0] != model.fit:
            fitted = await last(self.people.keyring.vault, connection, model)
            if fitted is None:
                return None
            held = self._held[model.id] = model.fit, fitted
        return held[1].parameters if held[1].definition == model.active else None

    async def _tell(
        self, connection: Connection, new: Sequence[Said], seen: Mapping[ProfileId, Seen]
    ) -> None:
        """Append it to the log, at the end of the transaction: others wait for that."""
        keyring, known = self.people.keyring, self.people.keyring.erasures
        nodes = {node for each in new for node in seen[each.profile].nodes}
        suppressed = await suppression_store.among(connection, nodes)
        open_to = [each for each in new if suppressed.isdisjoint(seen[each.profile].nodes)]
        names = await self.people.names(connection, nodes)
        boxes = await keyring.load(connection, nodes)
        told = []
        for each in open_to:
            found = _whom(seen[each.profile].nodes, names, boxes)
            if found is not None:
                subject, who = found
                fact = fact_of(self._fact(each, who), subject, consent=False)
                told.append(sealed(fact, boxes[subject]))
        await log_store.append(connection, told, self.partitions, known)
        log.info("predicted", people=len(told))

    def _fact(self, said: Said, who: Identifier) -> Event:
        model = said.model
        about = {
            "model": model.key,
            "number": model.id,
            "version": model.fit,
            "purpose": model.purpose,
            "value": said.value,
        }
        vault = self.people.keyring.vault
        return facts.fact(vault, PREDICT, about, at=times.now(), **facts.about(who))


def _said(
    model: Model, parameters: Mapping[str, Any], seen: Mapping[ProfileId, Seen]
) -> list[Said]:
    """What is something else than the model said before, or than it said for its purpose."""
    look = Gathering.observer(model)
    looked = {profile: look(each) for profile, each in seen.items()}
    found = {profile: each for profile, each in looked.items() if each is not None}
    values = protocol.score(model.kind, parameters, list(found.values()))
    said = (Said(p, model, value) for p, value in zip(found, values, strict=True))
    return [each for each in said if _is_new(each, seen[each.profile])]


def _is_new(said: Said, seen: Seen) -> bool:
    facts_ = seen.sight(said.model.purpose)
    before = facts_.prediction(said.model.key)
    if before is None or before["purpose"] != said.model.purpose:
        return said.value is not None
    return bool(before["value"] != said.value)


def _whom(
    nodes: Collection[SubjectId],
    names: Mapping[SubjectId, Identifier],
    boxes: Mapping[SubjectId, object],
) -> tuple[SubjectId, Identifier] | None:
    """The first of somebody's identifiers under which facts can be told of them."""
    for node in sorted(nodes):
        if node in names and node in boxes:
            who = names[node]
            probe = Event(0, "consent", b"", 0, "", 0, 0, **facts.about(who))
            if identifiers.subject(probe) == who:
                return node, who
    return None
