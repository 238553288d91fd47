"""Requests deliveries for entries and exits, and makes them: gate, send, record."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from activation import store
from activation.model import Delivery, Destination, Entry, Outcome, after, plan
from activation.store import Mark
from activation.webhook import Webhook
from cdp.db import Connection
from cdp.events import Instant
from cdp.times import SECOND

AT_ONCE = 32  # deliveries in a chunk, or twice that; all are sent side by side
LEASE_SECONDS = 60  # a delivery whose worker died while sending is tried again after this


class Permit(NamedTuple):
    """What the consent gate said about one delivery at the moment of sending."""

    granted: bool
    cite: dict[str, Any]  # the consent fact that allows it, or what is missing


class Ready(NamedTuple):
    """A delivery that passed the gate, and what is told."""

    delivery: Delivery
    webhook: Webhook
    view: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Activation:
    """The third agent's work. `opened` unseals a destination's secret."""

    client: httpx.AsyncClient
    opened: Callable[[str, bytes], str]

    async def request(self, connection: Connection, entries: Sequence[Entry]) -> list[Delivery]:
        """Write down what is to be delivered because of these entries and exits."""
        if not entries:
            return []
        stored = await store.destinations(connection)
        planned = plan(entries, [each.destination for each in stored])
        if planned:
            await store.add(connection, planned)
        return planned

    async def admit(
        self,
        connection: Connection,
        claimed: Sequence[Delivery],
        permits: Mapping[bytes, Permit],
        views: Mapping[bytes, Mapping[str, Any]],
        now: Instant,
    ) -> list[Ready]:
        """Note for each claimed delivery that it is being sent, or why it is not."""
        stored = {each.destination.key: each for each in await store.destinations(connection)}
        ready: list[Ready] = []
        marks: list[Mark] = []
        for delivery in claimed:
            target, permit = stored.get(delivery.destination), permits[delivery.id]
            view = views.get(delivery.profile)
            if not permit.granted:
                marks.append(Mark(delivery.id, "refused", "consent", consent=permit.cite))
            elif target is None or not target.destination.enabled:
                marks.append(Mark(delivery.id, "parked", "no such destination any more"))
            elif view is None:
                marks.append(Mark(delivery.id, "parked", "no such profile any more"))
            else:
                lease = now + LEASE_SECONDS * SECOND
                marks.append(Mark(delivery.id, "sending", "", lease, None, 1, permit.cite))
                secret = self.opened(delivery.destination, target.secret)
                webhook = Webhook(self.client, target.destination, secret)
                tried = delivery._replace(attempts=delivery.attempts + 1)
                ready.append(Ready(tried, webhook, view))
        await store.mark(connection, marks)
        return ready

    async def send(self, ready: Sequence[Ready], now: Instant) -> list[Mark]:
        """Send all of them side by side; returns what the ledger is to note."""
        outcomes = await asyncio.gather(
            *(each.webhook.send(each.delivery, each.view, now) for each in ready)
        )
        return [
            _noted(each.delivery, each.webhook.destination, outcome, now)
            for each, outcome in zip(ready, outcomes, strict=True)
        ]


def _noted(delivery: Delivery, target: Destination, outcome: Outcome, now: Instant) -> Mark:
    state, due = after(delivery, outcome, target, now, random.random())  # noqa: S311 - jitter
    return Mark(delivery.id, state, outcome.reason, due, outcome.status)
