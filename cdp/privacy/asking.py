"""Takes requests in, from operators and from people: one that is open already is the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import consent.store as consent_store
import identity.store as identity_store
from cdp import times
from cdp.db import Connection, Database
from cdp.events import Identifier, SubjectId
from cdp.log.vault import Vault
from cdp.privacy import model, store
from cdp.privacy.model import AskedBy, Kind, Request
from cdp.suppression import store as suppressions


async def ask(
    connection: Connection, vault: Vault, request: Request, home: str
) -> tuple[Request, bool]:
    """The request as it is kept, and whether it is new: asking twice is asking once."""
    known = await store.open_one(connection, vault, request.kind, request.subject)
    if known is not None:
        return known, False
    if request.kind == "suppress":  # at once; the rest of the person when it is known who that is
        await suppressions.suppress(connection, [request.subject])
    profile = await identity_store.profile_of(connection, request.subject)
    nodes: list[SubjectId] = [request.subject]
    if profile is not None:
        nodes = (await identity_store.nodes_of(connection, [profile]))[profile]
    seen = await consent_store.seen(connection, nodes)
    codes = {code for each in seen.values() for code in each}
    due = model.due(request.received_at, codes, home)
    return await store.add(connection, vault, request._replace(due_at=due)), True


@dataclass(frozen=True, slots=True)
class Asking:
    """What the preference centre's buttons do. `home` is where people are of whom nobody knows."""

    database: Database
    vault: Vault
    home: str

    async def __call__(self, kind: str, who: Identifier, /) -> str:
        """`export` or `erase`; the request's id."""
        by: AskedBy = "person"
        subject, now = self.vault.subject(*who), times.now()
        wanted = store.new(
            cast("Kind", kind), subject, who.namespace, asked_by=by, reference="", at=now
        )
        async with self.database.transaction() as connection:
            request, _ = await ask(connection, self.vault, wanted, self.home)
        return str(request.id)
