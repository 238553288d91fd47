"""Tells destinations that computed traits which they subscribe to have changed.

Whoever is evaluated is queued, and looked at a moment later: many changes are one by then. What a
destination was told last is known by a digest, which is noted whenever somebody is sent to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

import activation.store as delivery_store
import identity.store as identity_store
from activation.gate import Ready
from activation.model import UPDATED, Delivery, Destination, delivery_id, needed
from activation.refreshing import store
from activation.shaping import COMPUTED, shaped
from cdp import times
from cdp.db import Connection, Database
from cdp.events import DELIVERIES, Instant, ProfileId
from cdp.log import store as log_store
from cdp.log.store import Message
from cdp.log.vault import Vault
from cdp.people import People
from cdp.times import SECOND
from profiles import presence

SLICE = 500  # people looked at in one transaction
PATIENCE = 5 * SECOND  # from a change until it is looked at: others meanwhile go along


async def queue(connection: Connection, profiles: Mapping[ProfileId, Any], now: Instant) -> None:
    """These people may have other values now."""
    await store.queue(connection, list(profiles), now + PATIENCE)


async def note(connection: Connection, vault: Vault, ready: Sequence[Ready]) -> None:
    """What these are about to be told."""
    digests = {
        (each.destination.key, each.delivery.profile): _digest(vault, each.message.view[COMPUTED])
        for each in ready
        if COMPUTED in each.message.view and each.delivery.kind in {"entered", UPDATED}
    }
    await store.keep(connection, digests)


def _digest(vault: Vault, values: Mapping[str, Any]) -> bytes:
    return vault.digest(msgspec.msgpack.encode(values, order="deterministic"))


@dataclass(frozen=True, slots=True)
class Refreshing:
    """Looks at those who are queued."""

    database: Database
    partitions: int
    people: People

    async def step(self) -> bool:
        """Look at some; False when there is nobody."""
        async with self.database.transaction() as connection:
            now = times.now()
            taken = await store.take(connection, now, SLICE)
            if not taken:
                return False
            await self.people.keyring.renew(connection)
            current = set((await identity_store.profiles(connection, taken)).values())
            requested = await self._wanted(connection, sorted(current), now)
            if requested:
                await delivery_store.add(connection, requested)
            messages = [
                Message(DELIVERIES, each.destination.encode() + each.profile, each.id)
                for each in requested
            ]
            await log_store.emit(connection, messages, self.partitions)
        return True

    async def _wanted(
        self, connection: Connection, profiles: Sequence[ProfileId], now: Instant
    ) -> list[Delivery]:
        stored = await delivery_store.destinations(connection)
        targets = [each.destination for each in stored if each.destination.settings.get("computed")]
        views = await self.people.load(connection, profiles) if targets else {}
        purposes = await presence.purposes(connection)
        told = await store.told(connection, profiles)
        under_way = await store.under_way(connection, profiles)
        found, later = [], set()
        for profile, view in views.items():
            for destination in targets:
                key = destination.key, profile
                segment = _segment(destination, view["segments"])
                values = shaped(destination.settings, view)[COMPUTED]
                if not segment or told.get(key) == _digest(self.people.keyring.vault, values):
                    continue
                if key not in under_way:
                    purpose = needed(destination.purpose or purposes[segment], destination)
                    found.append(_delivery(destination, profile, segment, purpose, now))
                elif under_way[key]:  # what it says was put together before we looked
                    later.add(profile)
        await store.queue(connection, sorted(later), now + PATIENCE)
        return found


def _segment(destination: Destination, inside: Sequence[str]) -> str:
    """One of those that it is told of; empty if they are in none."""
    if not destination.enabled:
        return ""
    told = (key for key in inside if not destination.segments or key in destination.segments)
    return next(told, "")


def _delivery(
    destination: Destination, profile: ProfileId, segment: str, purpose: str, now: Instant
) -> Delivery:
    name = delivery_id(destination.key, f"{UPDATED}/{profile.hex()}/{now}")
    return Delivery(name, destination.key, profile, segment, UPDATED, now, purpose)
