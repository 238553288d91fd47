"""Requests deliveries for entries and exits, and makes them: gate, send, record."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from activation import store
from activation.claims import Claim
from activation.model import ERASED, Delivery, Ended, Entry, after, announced, plan
from activation.store import Mark
from activation.webhook import Webhook
from cdp.db import Connection
from cdp.events import Instant

AT_ONCE = 32  # deliveries in a chunk, or twice that; all are sent side by side


class Permit(NamedTuple):
    """What the consent gate said about one delivery at the moment of sending."""

    granted: bool
    cite: dict[str, Any]  # the consent fact that allows it, or what is missing


class Ready(NamedTuple):
    """A delivery that passed the gate, and what is told."""

    delivery: Delivery
    webhook: Webhook
    view: Mapping[str, Any]
    claim: Claim


@dataclass(frozen=True, slots=True)
class Activation:
    """The third agent's work. `opened` unseals a destination's secret, `told` a delivery's body."""

    client: httpx.AsyncClient
    opened: Callable[[str, bytes], str]
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
        erased = [each.id for each in claimed if each.kind == ERASED]
        bodies = await store.bodies(connection, erased) if erased else {}
        ready: list[Ready] = []
        marks: list[Mark] = []
        for delivery in claimed:
            target, permit = stored.get(delivery.destination), permits[delivery.id]
            view = views.get(delivery.profile) or _left(delivery)
            if delivery.id in bodies:
                view = self.told(delivery.id, bodies[delivery.id])
            if not permit.granted:
                marks.append(Mark(delivery.id, "refused", "consent", consent=permit.cite))
            elif target is None or not target.destination.enabled:
                marks.append(Mark(delivery.id, "parked", "no such destination any more"))
            elif view is None:
                marks.append(Mark(delivery.id, "parked", "no such profile any more"))
            else:
                lease = claim.lease(target.destination.timeout)
                marks.append(Mark(delivery.id, "sending", "", lease, None, 1, permit.cite))
                secret = self.opened(delivery.destination, target.secret)
                webhook = Webhook(self.client, target.destination, secret)
                tried = delivery._replace(attempts=delivery.attempts + 1)
                ready.append(Ready(tried, webhook, view, claim))
        await store.mark(connection, marks)
        return ready

    async def send(self, ready: Ready, now: Instant, headers: Mapping[str, str]) -> Mark:
        """Send it, with these headers too; returns what the ledger is to note.

        Late if the claim on it is over: then nothing was sent, and it is somebody else's.
        """
        delivery, webhook = ready.delivery, ready.webhook
        outcome = await webhook.send(delivery, ready.view, ready.claim, now, headers)
        chance = random.random()  # noqa: S311 - jitter
        state, due = after(delivery, outcome, webhook.destination, now, chance)
        return Mark(
            delivery.id, state, outcome.reason, due, outcome.status, attempt=delivery.attempts
        )


def _left(delivery: Delivery) -> Mapping[str, Any] | None:
    """Who is nobody any more, for all there was of them was in error, is still taken off lists."""
    if delivery.kind != "left":
        return None
    return {"profile_id": str(uuid.UUID(bytes=delivery.profile))}
