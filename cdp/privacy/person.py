"""Who a request is about: one person, as certain links say; likeness draws nobody in."""

from __future__ import annotations

import identity.store as identity_store
from cdp.db import Connection
from cdp.events import SubjectId
from identity.rulebook import RuleBook
from identity.settling import certain


async def whole(connection: Connection, subject: SubjectId) -> list[SubjectId]:
    """Every identifier of the person who is called so now, in order.

    People's own events and operators' words count; what matching inferred does not: whoever is
    only alike has not asked for anything. Somebody of whom no event was seen is this one name.
    """
    profile = await identity_store.profile_of(connection, subject)
    if profile is None:
        return [subject]
    nodes = (await identity_store.nodes_of(connection, [profile]))[profile]
    sides = await certain(connection, await RuleBook().refresh(connection), {profile: nodes})
    return sorted(next(side for side in sides.values() if subject in side))
