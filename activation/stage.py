"""Requests deliveries for entries and exits, and makes them: gate, send, record."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from activation import store
from activation.claims import Claim
from activation.kinds.protocol import Connector, Message
from activation.model import (
    ERASED,
    MESSAGE,
    Delivery,
    Destination,
    Ended,
    Entry,
    after,
    announced,
    plan,
)
from activation.opening import Connectors
from activation.store import Mark
from cdp.db import Connection
from cdp.events import Instant

AT_ONCE = 32  # deliveries in a chunk, or twice that; all are sent side by side


class Permit(NamedTuple):
    """What the consent gate said about one delivery at the moment of sending."""

    granted: bool
    cite: dict[str, Any]  # the consent fact that allows it, or what is missing


class Ready(NamedTuple):
    """A delivery that passed the gate, and what is told where."""

    message: Message
    destination: Destination
    connector: Connector
    claim: Claim

    @property
    def delivery(self) -> Delivery:
        """Which one."""
        return self.message.delivery


@dataclass(frozen=True, slots=True)
class Activation:
    """The third agent's work. `told` unseals what a delivery says."""

    connectors: Connectors
    told: Callable[[bytes, bytes], Mapping[str, Any]]

    async def request(self, connection: Connection, entries: Sequence[Entry]) -> list[Delivery]:
        """Write down what is to be delivered because of these entries and exits."""
        if not entries:
            return []
        stored = await store.destinations(connection)
        planned = plan(entries, [each.destination for each in stored])
        if planned:
            await store.add(connection, planned)
        return planned

    async def announce(self, connection: Connection, ends: Sequence[Ended]) -> list[Delivery]:
        """Write down who is to be told that somebody's yes has ended."""
        if not ends:
            return []
        stored = await store.destinations(connection)
        planned = announced(ends, [each.destination for each in stored])
        if planned:
            await store.add(connection, planned)
        return planned

    async def admit(
        self,
        connection: Connection,
        claimed: Sequence[Delivery],
        permits: Mapping[bytes, Permit],
        views: Mapping[bytes, Mapping[str, Any]],
        claim: Claim,
    ) -> list[Ready]:
        """Note for each claimed delivery that it is being sent, or why it is not."""
        stored = {each.destination.key: each for each in await store.destinations(connection)}
        written = [each.id for each in claimed if each.kind in {ERASED, MESSAGE}]
        bodies = await store.bodies(connection, written) if written else {}
        ready: list[Ready] = []
        marks: list[Mark] = []
        for delivery in claimed:
            target, permit = stored.get(delivery.destination), permits[delivery.id]
            said = self.told(delivery.id, bodies[delivery.id]) if delivery.id in bodies else {}
            view = said if delivery.kind == ERASED else views.get(delivery.profile)
            view = view or _left(delivery)
            if not permit.granted:
                marks.append(Mark(delivery.id, "refused", "consent", consent=permit.cite))
            elif target is None or not target.destination.enabled:
                marks.append(Mark(delivery.id, "parked", "no such destination any more"))
            elif view is None:
                marks.append(Mark(delivery.id, "parked", "no such profile any more"))
            else:
                lease = claim.lease(target.destination.timeout)
                marks.append(Mark(delivery.id, "sending", "", lease, None, 1, permit.cite))
                tried = delivery._replace(attempts=delivery.attempts + 1)
                message = Message(tried, view, said if delivery.kind == MESSAGE else {}, {})
                connector = self.connectors.of(target)
                ready.append(Ready(message, target.destination, connector, claim))
        await store.mark(connection, marks)
        return ready

    async def send(self, batch: Sequence[Ready], now: Instant) -> list[Mark]:
        """Send what is for one destination; returns what the ledger is to note.

        Late if the claim on it is over: then nothing was sent, and it is somebody else's.
        """
        first = batch[0]
        outcomes = await first.connector.send([each.message for each in batch], first.claim, now)
        marks = []
        for each, outcome in zip(batch, outcomes, strict=True):
            chance = random.random()  # noqa: S311 - jitter
            state, due = after(each.delivery, outcome, first.destination, now, chance)
            tried = each.delivery.attempts
            marks.append(
                Mark(each.delivery.id, state, outcome.reason, due, outcome.status, attempt=tried)
            )
        return marks


def batches(ready: Sequence[Ready]) -> list[list[Ready]]:
    """What can be sent at once, in the order in which it came."""
    by: dict[str, list[Ready]] = {}
    for each in ready:
        by.setdefault(each.destination.key, []).append(each)
    return [
        mine[first : first + mine[0].connector.most]
        for mine in by.values()
        for first in range(0, len(mine), mine[0].connector.most)
    ]


def _left(delivery: Delivery) -> Mapping[str, Any] | None:
    """Who is nobody any more, for all there was of them was in error, is still taken off lists."""
    if delivery.kind != "left":
        return None
    return {"profile_id": str(uuid.UUID(bytes=delivery.profile))}
