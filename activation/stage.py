"""Requests deliveries for entries and exits, and makes them: gate, send, record."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activation import claims, store
from activation.campaigns.fallback import Fallback
from activation.claims import Claim
from activation.composing import Asked, Composing, Unsaid
from activation.gate import NOWHERE, Allowed, Permit, Ready, Whom, permitted
from activation.lanes.stage import Lanes
from activation.model import (
    ERASED,
    MESSAGE,
    Delivery,
    Ended,
    Entry,
    after,
    announced,
    plan,
)
from activation.opening import Connectors, listeners
from activation.pacing import store as pacing_store
from activation.pacing.model import Drop, Wait
from activation.pacing.stage import Pacing
from activation.store import Mark
from cdp.db import Connection
from cdp.events import Instant

AT_ONCE = 32  # deliveries in a chunk, or twice that; all are sent side by side


@dataclass(frozen=True, slots=True)
class Activation:
    """The third agent's work. `told` unseals what a delivery says."""

    connectors: Connectors
    told: Callable[[bytes, bytes], Mapping[str, Any]]
    pacing: Pacing
    lanes: Lanes
    composing: Composing
    fallback: Fallback

    async def request(self, connection: Connection, entries: Sequence[Entry]) -> list[Delivery]:
        """Write down what is to be delivered because of these entries and exits."""
        if not entries:
            return []
        planned = plan(entries, await listeners(connection))
        if planned:
            await store.add(connection, planned)
        return planned

    async def announce(self, connection: Connection, ends: Sequence[Ended]) -> list[Delivery]:
        """Write down who is to be told that somebody's yes has ended."""
        if not ends:
            return []
        planned = announced(ends, await listeners(connection))
        if planned:
            await store.add(connection, planned)
        return planned

    async def admit(
        self,
        connection: Connection,
        claimed: Sequence[Delivery],
        permits: Mapping[bytes, Permit],
        whom: Whom,
        claim: Claim,
    ) -> list[Ready]:
        """Note for each claimed delivery that it is being sent, or why it is not, or not yet."""
        stored = {each.destination.key: each for each in await store.destinations(connection)}
        written = [each.id for each in claimed if each.kind in {ERASED, MESSAGE}]
        sealed = await store.bodies(connection, written) if written else {}
        said = {each: self.told(each, body) for each, body in sealed.items()}
        asked = [(each, stored.get(each.destination), permits[each.id]) for each in claimed]
        allowed, marks = permitted(asked, said, whom.views)
        await self.note(connection, marks, claim.at)  # what is over takes no room from the others
        marks = []
        clear = await self._cleared(connection, allowed, claim, marks)
        composed = await self._composed(connection, clear, marks)
        going = await self._paced(connection, composed, whom, claim.at, marks)
        for each in going:
            lease = claim.lease(each.target.destination.timeout)
            marks.append(Mark(each.delivery.id, "sending", "", lease, None, 1, each.cite))
        await self.note(connection, marks, claim.at)
        return [each.ready(self.connectors, claim) for each in going]

    async def _cleared(
        self, connection: Connection, allowed: Sequence[Allowed], claim: Claim, marks: list[Mark]
    ) -> list[Allowed]:
        """Those whose destination has room; of the others `marks` gets until when they wait."""
        due = [(each.delivery, each.target.destination) for each in allowed]
        put_off, slots = await self.lanes.decide(connection, due, claim)
        marks += put_off
        later = {mark.id for mark in put_off}
        return [
            each._replace(slot=slots.get(each.delivery.id, 0))
            for each in allowed
            if each.delivery.id not in later
        ]

    async def _composed(
        self, connection: Connection, allowed: Sequence[Allowed], marks: list[Mark]
    ) -> list[Allowed]:
        """With what messages say; of those that cannot be made `marks` gets why."""
        asked = [
            Asked(each.delivery._replace(purpose=each.cite["purpose"]), each.says, each.view)
            for each in allowed
            if each.delivery.kind == MESSAGE
        ]
        if not asked:
            return list(allowed)
        found = await self.composing.compose(connection, asked)
        composed = []
        for each in allowed:
            content = found.get(each.delivery.id, {})
            if isinstance(content, Unsaid):
                marks.append(Mark(each.delivery.id, "parked", content.reason, consent=each.cite))
            else:
                composed.append(each._replace(content=content))
        return composed

    async def _paced(
        self,
        connection: Connection,
        allowed: Sequence[Allowed],
        whom: Whom,
        now: Instant,
        marks: list[Mark],
    ) -> list[Allowed]:
        """What goes now; of messages that do not, `marks` gets why."""
        due = [each.due() for each in allowed if each.delivery.kind == MESSAGE]
        if not due:
            return list(allowed)
        paced = await self.pacing.decide(connection, due, whom.people, whom.views, now)
        going = []
        for each in allowed:
            match paced.get(each.delivery.id):
                case Wait(until, reason):
                    mark = Mark(each.delivery.id, "delayed", reason, until, consent=each.cite)
                    marks.append(mark)
                case Drop(reason):
                    marks.append(Mark(each.delivery.id, "refused", reason, consent=each.cite))
                case _:
                    going.append(each)
        return going

    async def note(self, connection: Connection, marks: Sequence[Mark], now: Instant) -> None:
        """Into the ledger; what reaches nobody gives back its room, and may go another way."""
        await store.mark(connection, marks)
        ended = [each.id for each in marks if each.state in {"refused", "parked"}]
        if ended:
            await pacing_store.give_back(connection, ended)
            await self.fallback.parked(connection, [m.id for m in marks if _fails(m)], now)

    async def bounced(self, connection: Connection, ids: Sequence[bytes], now: Instant) -> None:
        """These reached nobody after all."""
        if ids:
            await pacing_store.give_back(connection, ids)
            await self.fallback.bounced(connection, ids, now)

    def is_slow(self, ready: Ready) -> bool:
        """Whether its destination takes longer than anybody else should wait."""
        return self.lanes.of(ready.destination).slow(claims.clock())

    async def send(self, batch: Sequence[Ready], now: Instant) -> list[Mark]:
        """Send what is for one destination; returns what the ledger is to note.

        Late if the claim on it is over: then nothing was sent, and it is somebody else's.
        """
        first, begun = batch[0], claims.clock()
        lane = self.lanes.of(first.destination)
        for each in batch:
            lane.begin(each.delivery.id, begun)
        messages = [each.message for each in batch]
        try:
            outcomes = await first.connector.send(messages, first.claim, now)
        except BaseException:
            for each in batch:
                lane.begun.pop(each.delivery.id, None)
            raise
        marks = []
        for each, outcome in zip(batch, outcomes, strict=True):
            self.lanes.ended(each.delivery, outcome, first.destination)
            chance = random.random()  # noqa: S311 - jitter
            state, due = after(each.delivery, outcome, first.destination, now, chance)
            tried = each.delivery.attempts
            marks.append(
                Mark(each.delivery.id, state, outcome.reason, due, outcome.status, attempt=tried)
            )
        return marks


def _fails(mark: Mark) -> bool:
    """Whether another channel may do better: not where there is nothing to say."""
    if mark.state == "refused":
        return mark.reason == "consent"
    return mark.state == "parked" and (mark.attempt is not None or mark.reason == NOWHERE)
