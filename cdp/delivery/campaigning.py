"""What campaigns need to know of people: which segments they are in, and how to reach them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import activation.store as delivery_store
import profiles.store as profile_store
from activation.campaigns.going import Present, Way
from activation.kinds import KINDS
from activation.model import Destination, needed
from cdp.db import Connection
from cdp.delivery.permits import permit
from cdp.events import ProfileId
from cdp.people import People, Stands
from profiles import segments


@dataclass(frozen=True, slots=True)
class Looking:
    """At the people of a chunk, who stand so."""

    connection: Connection
    people: People
    stands: Mapping[ProfileId, Stands]

    async def __call__(self, profiles: Collection[ProfileId]) -> Present:
        """Those that something is to be decided about."""
        keys = await segments.keys(self.connection)
        inside: dict[ProfileId, set[str]] = {}
        for each in await profile_store.memberships(self.connection, profiles):
            if each.segment in keys:
                inside.setdefault(each.profile, set()).add(keys[each.segment])
        views = await self.people.load(self.connection, profiles)
        stored = await delivery_store.destinations(self.connection)
        there = {each.destination.key: each.destination for each in stored}

        def reached(who: ProfileId, purpose: str, channels: Sequence[str]) -> Way | None:
            for key in channels:
                found = _way(there.get(key), key, purpose)
                allowed = permit(found.purpose, self.stands.get(who, {})).granted
                if allowed and key in there and _can(there[key], views.get(who, {})):
                    return found
            return None

        def first(purpose: str, channels: Sequence[str]) -> Way:
            return _way(there.get(channels[0]), channels[0], purpose)

        return Present(inside, reached, first)


def _way(destination: Destination | None, key: str, purpose: str) -> Way:
    return Way(key, needed(purpose, destination) if destination else purpose)


def _can(destination: Destination, view: Mapping[str, Any]) -> bool:
    kind = KINDS[destination.kind]
    return destination.enabled and bool(kind.messages) and kind.reaches(view)
