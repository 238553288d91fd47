"""What a delivery finds out about its person becomes a fact of theirs, so that a replay agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdp import facts
from cdp.db import Connection, Database
from cdp.events import Event, Identifier
from cdp.log import store as log_store
from cdp.log.keyring import Keyring
from cdp.log.writing import fact_of, sealed
from identity.identifiers import ANONYMOUS_ID, USER_ID


@dataclass(frozen=True, slots=True)
class Finding:
    """Appends such facts, each once."""

    database: Database
    keyring: Keyring
    partitions: int

    async def note(
        self,
        connection: Connection,
        view: Mapping[str, Any],
        name: str,
        told: Callable[[Mapping[str, Any]], Event],
    ) -> None:
        """The fact of this name, made for whom it is about; nothing of who was erased meanwhile."""
        vault = self.keyring.vault
        known_as = {vault.subject(*each): each for each in _known_as(view.get("identifiers", {}))}
        await self.keyring.renew(connection)
        known = self.keyring.erasures
        boxes = await self.keyring.load(connection, known_as)
        subject = next((each for each in known_as if each in boxes), None)
        if subject is None or await log_store.by_id(connection, [facts.id_of(vault, name)]):
            return
        event = told(facts.about(known_as[subject]))
        ready = [sealed(fact_of(event, subject, consent=False), boxes[subject])]
        await log_store.append(connection, ready, self.partitions, known)


def _known_as(identifiers: Mapping[str, Sequence[str]]) -> list[Identifier]:
    """Their names, the strongest first: of some, no event was ever the first."""
    order = {USER_ID: 0, ANONYMOUS_ID: 1}
    names = sorted(identifiers, key=lambda each: (order.get(each, 2), each))
    return [Identifier(each, value) for each in names for value in identifiers[each]]
