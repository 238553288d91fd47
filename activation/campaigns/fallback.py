"""The next channel of a step, where its message failed for good: requested once, and why."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from activation import letters, store
from activation.campaigns import store as journeys
from activation.campaigns import versions
from activation.campaigns.going import said_of
from activation.campaigns.model import Campaign
from activation.campaigns.program import Send
from activation.campaigns.store import Sent
from activation.letters import Letter
from activation.model import MESSAGE, Delivery, Destination, needed
from cdp.db import Connection, named
from cdp.events import Instant

_FAILED = named(
    """
    select s.delivery, s.journey, s.step, s.destination, d.reason, d.profile, j.campaign,
           j.version, j.at, j.cause
      from journey_sends s join journeys j on j.id = s.journey
      join deliveries d on d.id = s.delivery
     where s.delivery = any(:ids) and j.state <> 'left'
       and (d.state = any(:states) or d.state = 'refused' and s.instead_of is not null)
       and not exists (select from journey_sends n where n.instead_of = s.delivery)
    """
)
_DUE = named("update deliveries set due = :now where id = any(:ids) and state = 'requested'")


class Failed(NamedTuple):
    """A message of a journey's step that came to nothing, and why."""

    delivery: bytes
    journey: bytes
    step: int
    destination: str
    reason: str
    profile: bytes
    campaign: str
    version: int
    began: Instant
    cause: str


@dataclass(frozen=True, slots=True)
class Fallback:
    """Requests it; consent, caps and quiet hours are asked for it as for any message.

    Not for whoever has left the campaign, nor when its goal can be reached no more.
    """

    sealed: Callable[[bytes, Mapping[str, Any]], bytes]

    async def parked(self, connection: Connection, ids: Collection[bytes], now: Instant) -> None:
        """These could not be delivered; or were in the place of others, and may not be sent."""
        await self._go_on(connection, ids, ["parked"], now)

    async def bounced(self, connection: Connection, ids: Collection[bytes], now: Instant) -> None:
        """These were taken, and came back."""
        await self._go_on(connection, ids, ["sent"], now)

    async def _go_on(
        self, connection: Connection, ids: Collection[bytes], states: Sequence[str], now: Instant
    ) -> None:
        if not ids:
            return
        values = {"ids": list(ids), "states": list(states)}
        failed = [Failed(*row) for row in await connection.execute(_FAILED, values)]
        if not failed:
            return
        wanted = {(each.campaign, each.version) for each in failed}
        written = await versions.of_versions(connection, wanted)
        there = {
            each.destination.key: each.destination
            for each in await store.destinations(connection)
            if each.destination.enabled
        }
        requested, sent = [], []
        for each in failed:
            campaign = written.get((each.campaign, each.version))
            send = _send(campaign, each, now)
            if campaign is None or send is None:
                continue
            after = send.channels[send.channels.index(each.destination) + 1 :]
            found = next((there[key] for key in after if key in there), None)
            if found is not None:
                because = each.reason if states == ["parked"] else "bounced"
                letter = _letter(campaign, send, each, found, now)
                requested.append(letter)
                told = letter.delivery.id, each.journey, each.step, found.key
                sent.append(Sent(*told, letter.says["template"], each.delivery, because))
        await letters.write(connection, requested, self.sealed)
        await journeys.note_sent(connection, sent)
        values = {"ids": [each.delivery.id for each in requested], "now": now}
        await connection.execute(_DUE, values)


def _send(campaign: Campaign | None, failed: Failed, now: Instant) -> Send | None:
    """The step, if there is still a point in it."""
    if campaign is None or campaign.paused:
        return None
    if campaign.goal is not None and now > failed.began + campaign.goal.within:
        return None
    sends = (each for each in campaign.program if isinstance(each, Send))
    return next((each for each in sends if each.step == failed.step), None)


def _letter(
    campaign: Campaign, send: Send, failed: Failed, destination: Destination, now: Instant
) -> Letter:
    delivery = Delivery(
        uuid.uuid5(uuid.UUID(bytes=failed.delivery), "instead").bytes,
        destination.key,
        failed.profile,
        campaign.key,
        MESSAGE,
        now,
        needed(campaign.purpose, destination),
        cause=failed.cause,
    )
    return Letter(delivery, said_of(campaign, send, failed.cause, failed.profile))
