"""Keeps a lane for each destination in this process, and their circuits in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from activation import claims
from activation.claims import Claim
from activation.lanes import rows, store
from activation.lanes.model import (
    BUSY,
    THRESHOLD,
    Circuit,
    Lane,
    Later,
    held,
    is_due,
    rest_seconds,
)
from activation.lanes.slots import Given, give
from activation.model import Delivery, Destination, Outcome
from activation.store import Mark
from cdp.db import Connection
from cdp.events import Instant
from cdp.times import SECOND


class _News(NamedTuple):
    probed: bool
    answered: bool
    reason: str


class Decided(NamedTuple):
    """What the ledger is to note of deliveries that do not go now, and the slots of others."""

    put_off: list[Mark]
    slots: dict[bytes, Instant]


class Lanes:
    """Of one worker. A lane is there once a delivery of its destination has come by."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._news: dict[str, _News] = {}
        self._put_off: list[tuple[str, str]] = []

    def of(self, destination: Destination) -> Lane:
        """The lane of a destination."""
        lane = self._lanes.setdefault(destination.key, Lane(destination.concurrency))
        lane.concurrency = destination.concurrency
        return lane

    async def decide(
        self, connection: Connection, due: Sequence[tuple[Delivery, Destination]], claim: Claim
    ) -> Decided:
        """Which of these deliveries do not go now, and until when."""
        by: dict[str, list[Delivery]] = {}
        whom = {destination.key: destination for _, destination in due}
        for delivery, destination in due:
            by.setdefault(destination.key, []).append(delivery)
        circuits = await store.circuits(connection, by)
        later: dict[bytes, Later] = {}
        slots: dict[bytes, Instant] = {}
        for key, mine in sorted(by.items()):
            lane, circuit = self.of(whom[key]), circuits.get(key)
            lane.open = circuit is not None and circuit.state == "open"
            if circuit is not None and lane.open:
                later |= await self._held(connection, circuit, mine, whom[key], claim)
                continue
            later |= _put_off(lane, mine, claim.at)
            rate, going = whom[key].rate, [each for each in mine if each.id not in later]
            if rate is not None and going:
                given = await _slots(connection, key, going, rate, claim.at)
                slots |= given.slots
                later |= given.later
        found = [(each, later[each.id]) for each, _ in due if each.id in later]
        self._put_off += [(each.destination, put_off.reason) for each, put_off in found]
        marks = [Mark(each.id, "retrying", why, until) for each, (until, why) in found]
        return Decided(marks, slots)

    def put_off(self) -> list[tuple[str, str]]:
        """Destination and reason of what did not go, since this was last asked."""
        told, self._put_off = self._put_off, []
        return told

    async def _held(
        self,
        connection: Connection,
        circuit: Circuit,
        mine: Sequence[Delivery],
        destination: Destination,
        claim: Claim,
    ) -> dict[bytes, Later]:
        """All but one that tries, when it is time for that."""
        until = claim.lease(destination.timeout)
        rest = list(mine)
        if is_due(circuit, claim.at) and await store.probe(
            connection, circuit.destination, claim.at, until
        ):
            self.of(destination).probe = rest.pop(0).id
            circuit = circuit._replace(until=until)
        return {
            each.id: held(circuit, claim.at, first=number == 0) for number, each in enumerate(rest)
        }

    def ended(self, delivery: Delivery, outcome: Outcome, destination: Destination) -> None:
        """What came of a try. An answer that is final is one: the destination is there."""
        lane, key = self.of(destination), destination.key
        answered = outcome.delivered or outcome.final
        lane.end(delivery.id, claims.clock(), answered=answered)
        probed = lane.probe == delivery.id
        if probed:
            lane.probe = b""
        before = self._news.get(key)
        if before is not None:
            answered, probed = answered or before.answered, probed or before.probed
        if probed or (answered and lane.open) or lane.failures >= THRESHOLD:
            self._news[key] = _News(probed, answered, outcome.reason)

    async def note(self, connection: Connection, now: Instant) -> dict[str, bool]:
        """Tell all workers which circuits have opened or closed; returns those, and whether."""
        news, self._news = self._news, {}
        for key, (probed, answered, reason) in sorted(news.items()):
            lane = self._lanes[key]
            if answered:
                lane.open = False
                await store.close(connection, key)
            elif probed:
                found = (await store.circuits(connection, [key])).get(key)
                probes = found.probes + 1 if found is not None else 0
                await store.keep_open(connection, key, _rested(now, probes), reason)
            else:
                lane.open = True
                await store.open_(connection, key, now, _rested(now, 0), reason)
        return {key: self._lanes[key].open for key in news}


async def _slots(
    connection: Connection, key: str, deliveries: Sequence[Delivery], rate: float, now: Instant
) -> Given:
    """Slots of a destination with a rate, from the row that all workers share."""
    row = await rows.take(connection, key)
    given = give(row, deliveries, rate, now)
    await rows.put(connection, key, given.row)
    return given


def _put_off(lane: Lane, mine: Sequence[Delivery], now: Instant) -> dict[bytes, Later]:
    clock, ahead = claims.clock(), 0
    later: dict[bytes, Later] = {}
    for each in mine:
        if lane.room(ahead, clock):
            ahead += 1
        else:
            wait = lane.put_off(ahead, clock)
            later[each.id] = Later(now + round(wait * SECOND), BUSY)
    return later


def _rested(now: Instant, probes: int) -> Instant:
    return now + round(rest_seconds(probes) * SECOND)
