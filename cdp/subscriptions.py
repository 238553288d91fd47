"""Push subscriptions end as they begin: by a fact of their person, so that a replay agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdp import facts
from cdp.db import Database
from cdp.events import Event, Identifier
from cdp.log import store as log_store
from cdp.log.keyring import Keyring
from cdp.log.vault import Vault
from cdp.log.writing import fact_of, sealed
from identity.identifiers import ANONYMOUS_ID, USER_ID


def told(vault: Vault, traits: Mapping[str, Any], who: Mapping[str, Any], name: str = "") -> Event:
    """The fact that somebody's subscriptions are these from now on; None ends one."""
    return facts.fact(vault, "identify", {}, message_id=name, traits=dict(traits), **who)


@dataclass(frozen=True, slots=True)
class Gone:
    """Ends subscriptions that a push service says are no more."""

    database: Database
    keyring: Keyring
    partitions: int

    async def __call__(
        self, view: Mapping[str, Any], names: Sequence[str], delivery: bytes
    ) -> None:
        """Once for each delivery that found out; nothing of who was erased meanwhile."""
        vault = self.keyring.vault
        known_as = {vault.subject(*each): each for each in _known_as(view.get("identifiers", {}))}
        name, ends = f"push gone {delivery.hex()} {sorted(names)}", dict.fromkeys(names)
        async with self.database.transaction() as connection:
            await self.keyring.renew(connection)
            known = self.keyring.erasures
            boxes = await self.keyring.load(connection, known_as)
            subject = next((each for each in known_as if each in boxes), None)
            if subject is None or await log_store.by_id(connection, [facts.id_of(vault, name)]):
                return
            event = told(vault, ends, facts.about(known_as[subject]), name)
            ready = [sealed(fact_of(event, subject, consent=False), boxes[subject])]
            await log_store.append(connection, ready, self.partitions, known)


def _known_as(identifiers: Mapping[str, Sequence[str]]) -> list[Identifier]:
    """Their names, the strongest first: of some, no event was ever the first."""
    order = {USER_ID: 0, ANONYMOUS_ID: 1}
    names = sorted(identifiers, key=lambda each: (order.get(each, 2), each))
    return [Identifier(each, value) for each in names for value in identifiers[each]]
