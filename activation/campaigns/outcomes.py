"""The SQL of what people did with messages, as read with the ledger of deliveries."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant

_RESPONSES = named("select delivery, kind, at from responses where delivery = any(:ids)")
_SENDS = named(
    """
    select s.delivery, s.instead_of, s.because,
           case when j.converted_at >= d.at and d.state = 'sent' then j.converted_at end
      from journey_sends s join journeys j on j.id = s.journey
      join deliveries d on d.id = s.delivery
     where s.delivery = any(:ids)
    """
)


class Outcome(NamedTuple):
    """When it was opened, clicked and so on, by kind; and in whose place it went, and why."""

    responses: dict[str, Instant]
    instead_of: bytes | None = None
    because: str = ""


async def of(connection: Connection, deliveries: Collection[bytes]) -> dict[bytes, Outcome]:
    """Of those of these deliveries of which there is something to tell."""
    values = {"ids": list(deliveries)}
    found: dict[bytes, Outcome] = {}
    for delivery, instead_of, because, converted_at in await connection.execute(_SENDS, values):
        told = {} if converted_at is None else {"converted": converted_at}
        found[delivery] = Outcome(told, instead_of, because)
    for delivery, kind, at in await connection.execute(_RESPONSES, values):
        found.setdefault(delivery, Outcome({})).responses[kind] = at
    return found
