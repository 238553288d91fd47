"""Decides about messages that are due, with everything else that their people get."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from activation.model import Delivery
from activation.pacing import store
from activation.pacing.hours import best_hour
from activation.pacing.model import (
    Decision,
    Go,
    Policy,
    Slot,
    Traffic,
    Wait,
    Wanted,
    Whom,
    decide,
)
from activation.pacing.store import EVERYBODY, Taken
from cdp.db import Connection
from cdp.events import Instant, ProfileId, SubjectId

Says = Mapping[str, Any]


class Due(NamedTuple):
    """A message that is due, by which channel, and what it says."""

    delivery: Delivery
    channel: str
    says: Says

    @property
    def wanted(self) -> Wanted:
        """What pacing looks at."""
        priority, timing = self.says.get("priority", 0), self.says.get("timing", "")
        each = self.delivery
        return Wanted(each.id, each.at, self.channel, each.purpose, priority, timing)


@dataclass(frozen=True, slots=True)
class Pacing:
    """`told` unseals what a delivery says; `space` is the class of the locks of people."""

    told: Callable[[bytes, bytes], Says]
    space: int

    async def decide(
        self,
        connection: Connection,
        due: Sequence[Due],
        people: Mapping[ProfileId, Sequence[SubjectId]],
        views: Mapping[ProfileId, Mapping[str, Any]],
        now: Instant,
    ) -> dict[bytes, Decision]:
        """About each; what goes has taken its room. `people` has the identifiers of each person."""
        policy = await store.policy(connection)
        of = {node: profile for profile, nodes in people.items() for node in (profile, *nodes)}
        await store.lock(connection, self.space, {each.delivery.profile for each in due})
        going = await store.having(connection, [each.delivery.id for each in due])
        traffic = await self._traffic(connection, policy, due, of, now)
        whom = await _whom(connection, policy, due, views)
        decisions: dict[bytes, Decision] = {}
        taken: list[Taken] = []
        for each in sorted(due, key=lambda each: (-each.wanted.priority, each.delivery.at)):
            delivery, wanted = each.delivery, each.wanted
            mine = traffic.setdefault(delivery.profile, Traffic([], []))
            holds = replace(policy, caps=()) if delivery.id in going else policy
            found = decide(wanted, holds, whom[delivery.profile], mine, now)
            decisions[delivery.id] = found
            others = [one for one in mine.waiting if one.id != delivery.id]
            if not isinstance(found, Wait):  # what waits keeps its place ahead of others
                traffic[delivery.profile] = mine._replace(waiting=others)
            if isinstance(found, Go) and delivery.id not in going:
                slot = Slot(now, each.channel, delivery.purpose)
                taken.append(Taken(delivery.id, delivery.profile, slot))
                traffic[delivery.profile] = Traffic([*mine.sent, slot], others)
        await store.take(connection, taken)
        return decisions

    async def _traffic(
        self,
        connection: Connection,
        policy: Policy,
        due: Sequence[Due],
        of: Mapping[bytes, ProfileId],
        now: Instant,
    ) -> dict[ProfileId, Traffic]:
        """By person, also under ids that their profile once had."""
        if not policy.caps:
            return {}
        found: dict[ProfileId, tuple[list[Slot], list[Wanted]]] = {}
        since = now - max(cap.window for cap in policy.caps)
        for profile, slot in await store.slots(connection, of.keys(), since):
            found.setdefault(of[profile], ([], []))[0].append(slot)
        channels = {each.delivery.destination: each.channel for each in due}
        for each in await store.waiting(connection, of.keys()):
            says = self.told(each.id, each.body)
            channel = channels.get(each.destination, str(says.get("channel", "")))
            delivery = Delivery(
                each.id, each.destination, each.profile, "", "message", each.at, each.purpose
            )
            waiting = found.setdefault(of[each.profile], ([], []))[1]
            waiting.append(Due(delivery, channel, says).wanted)
        return {profile: Traffic(*mine) for profile, mine in found.items()}


async def _whom(
    connection: Connection,
    policy: Policy,
    due: Sequence[Due],
    views: Mapping[ProfileId, Mapping[str, Any]],
) -> dict[ProfileId, Whom]:
    zones = {
        each.delivery.profile: views.get(each.delivery.profile, {}).get("timezone") or policy.zone
        for each in due
    }
    wanting = {each.delivery.profile for each in due if each.wanted.timing == "best"}
    cohorts = {EVERYBODY, *(zones[profile] for profile in wanting)}
    counts = await store.hours(connection, cohorts) if wanting else {}
    found = {}
    for profile, zone in zones.items():
        hour = 0
        if profile in wanting:
            active = views.get(profile, {}).get("active_hours") or {}
            mine = {int(name): times for name, times in active.items()}
            hour = best_hour(mine, counts.get(zone, {}), counts.get(EVERYBODY, {}))
        found[profile] = Whom(zone, hour)
    return found
