"""Tells destinations that somebody was erased: by the ordinary deliveries, with their retries."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

import activation.store as delivery_store
from activation.model import ERASED, Delivery
from activation.opening import listeners
from cdp.db import Connection, named
from cdp.events import DELIVERIES, Identifier, Instant, SubjectId
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.log.vault import Seal
from cdp.privacy.model import Request

_KNOWING = named(
    """
    select destination, array_agg(distinct profile) from deliveries
     where profile = any(:subjects) and attempts > 0 and destination = any(:listeners)
     group by 1 order by 1
    """
)
_SENDING = named(
    """
    select from deliveries
     where profile = any(:subjects) and state = 'sending' and due > :now limit 1
    """
)
_STATES = named("select destination, state from deliveries where profile = :request order by 1")


async def prepare(
    connection: Connection,
    system: Seal,
    request: Request,
    people: Mapping[SubjectId, Identifier],
    at: Instant,
) -> list[str]:
    """Write down what each destination is to be told that was ever told of this person.

    Each hears the profile ids that it was told, and the identifiers by which it may know them.
    """
    said: dict[str, list[str]] = {}
    for who in sorted(people.values()):
        said.setdefault(who.namespace, []).append(who.value)
    values = {
        "subjects": list(request.people),
        "listeners": [each.key for each in await listeners(connection)],
    }
    rows = await connection.execute(_KNOWING, values)
    told = {
        destination: {
            "request": str(request.id),
            "profile_ids": sorted(str(uuid.UUID(bytes=each)) for each in profiles),
            "identifiers": said,
        }
        for destination, profiles in rows
    }
    if told:
        deliveries = [_delivery(request, destination, at) for destination in told]
        await delivery_store.add(connection, deliveries)
        bodies = {each.id: sealed(system, each.id, told[each.destination]) for each in deliveries}
        await delivery_store.put_bodies(connection, bodies)
    return list(told)


def sealed(system: Seal, delivery: bytes, says: Mapping[str, Any]) -> bytes:
    """What a delivery says, as it lies in the ledger."""
    return system.seal(msgspec.json.encode(says), delivery)


def opened(system: Seal, delivery: bytes, body: bytes) -> dict[str, Any]:
    """What a destination is told."""
    told: dict[str, Any] = msgspec.json.decode(system.open(body, delivery))
    return told


async def under_way(connection: Connection, subjects: Collection[SubjectId], now: Instant) -> bool:
    """Whether something of this person is being sent: what they are told comes after that."""
    values = {"subjects": list(subjects), "now": now}
    return (await connection.execute(_SENDING, values)).first() is not None


async def begin(
    connection: Connection, request: Request, destinations: Sequence[str], partitions: int
) -> None:
    """Put what was prepared on its way."""
    messages = []
    for destination in destinations:
        delivery = _delivery(request, destination, request.received_at)
        key = destination.encode() + delivery.profile
        messages.append(Message(DELIVERIES, key, delivery.id))
    await log_store.emit(connection, messages, partitions)


async def states(connection: Connection, request: Request) -> dict[str, str]:
    """How far each destination is told."""
    rows = await connection.execute(_STATES, {"request": request.id.bytes})
    return {row[0]: row[1] for row in rows}


def _delivery(request: Request, destination: str, at: Instant) -> Delivery:
    """It is about the request: of the person nothing is left to hang it on."""
    delivery_id = uuid.uuid5(request.id, destination).bytes
    return Delivery(delivery_id, destination, request.id.bytes, "", ERASED, at, "")
