"""Facts that the platform tells itself: events of a source of their own."""

from __future__ import annotations

import uuid
from typing import Any, cast

from cdp import times
from cdp.events import SCHEMA, Event, EventType, Instant
from cdp.log.vault import Vault

API_SOURCE = 0  # the number of the source that stands for the platform


def fact(
    vault: Vault, kind: str, properties: dict[str, Any], *, at: Instant | None = None, **who: Any
) -> Event:
    """A new fact; it happened now, unless it is told of an earlier moment."""
    now = times.now()
    message_id = str(uuid.uuid4())
    return Event(
        schema=SCHEMA,
        type=cast("EventType", kind),
        id=vault.digest(f"{API_SOURCE}\x00{message_id}".encode()),
        source=API_SOURCE,
        message_id=message_id,
        timestamp=min(at or now, now),
        received_at=now,
        properties=properties,
        **who,
    )
