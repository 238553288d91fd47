"""Which deliveries the suppression list bars: all to who is on it; e-mails to what bounced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import activation.store as delivery_store
import cdp.suppression.store as suppressions
from activation.kinds import KINDS
from activation.model import Delivery
from cdp.db import Connection
from cdp.events import ProfileId, SubjectId

_MAIL = "email"


async def barred(
    connection: Connection,
    deliveries: Sequence[Delivery],
    people: Mapping[ProfileId, Sequence[SubjectId]],
) -> set[bytes]:
    """Ids of those of these deliveries; to tell that somebody left is always allowed."""
    listed = await suppressions.among(connection, {n for nodes in people.values() for n in nodes})
    if not listed:
        return set()
    bounced = await suppressions.bounced(connection, listed)
    mails = {
        each.destination.key
        for each in await delivery_store.destinations(connection)
        if _MAIL in {each.destination.channel, KINDS[each.destination.kind].channel}
    }
    return {
        each.id
        for each in deliveries
        if each.kind != "left"
        and not (listed if each.destination in mails else listed - bounced).isdisjoint(
            people.get(each.profile, ())
        )
    }
