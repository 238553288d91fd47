"""Facts that the platform tells itself: events of a source of their own."""

from __future__ import annotations

import uuid
from typing import Any, cast

from cdp import times
from cdp.events import SCHEMA, Event, EventType, Identifier, Instant
from cdp.log.vault import Vault
from identity.identifiers import ANONYMOUS_ID, USER_ID

API_SOURCE = 0  # the number of the source that stands for the platform


def fact(
    vault: Vault,
    kind: str,
    properties: dict[str, Any],
    *,
    at: Instant | None = None,
    message_id: str = "",
    **who: Any,
) -> Event:
    """A new fact; it happened now, unless it is told of an earlier moment.

    Of two with one `message_id` the log keeps the first.
    """
    now = times.now()
    message_id = message_id or str(uuid.uuid4())
    return Event(
        schema=SCHEMA,
        type=cast("EventType", kind),
        id=id_of(vault, message_id),
        source=API_SOURCE,
        message_id=message_id,
        timestamp=min(at or now, now),
        received_at=now,
        properties=properties,
        **who,
    )


def id_of(vault: Vault, message_id: str, source: int = API_SOURCE) -> bytes:
    """The id of a source's event with this message id; of the platform's own, if none is named."""
    return vault.digest(f"{source}\x00{message_id}".encode())


def about(who: Identifier) -> dict[str, Any]:
    """The fields by which a fact names one person."""
    if who.namespace == USER_ID:
        return {"user_id": who.value}
    if who.namespace == ANONYMOUS_ID:
        return {"anonymous_id": who.value}
    external = {"type": who.namespace, "id": who.value, "collection": "users"}
    return {"context": {"externalIds": [external]}}
