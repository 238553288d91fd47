"""Campaigns and deliveries as the agents run them, on real tables, with a clock that is set."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

import activation.store as delivery_store
from activation import claims
from activation.campaigns import store, versions
from activation.campaigns.fallback import Fallback
from activation.campaigns.going import Present, Way
from activation.campaigns.listening import listen
from activation.campaigns.stage import Campaigns
from activation.claims import Claim
from activation.composing import Asked
from activation.gate import Whom
from activation.kinds.protocol import Reach
from activation.lanes.stage import Lanes
from activation.model import Delivery, Destination, Entry, needed
from activation.opening import Connectors
from activation.pacing import store as pacing_store
from activation.pacing.schema import PacingSchema, policy_of
from activation.pacing.stage import Pacing
from activation.stage import Activation
from cdp.db import Connection, Database, named
from cdp.delivery.permits import permit
from cdp.events import Event
from cdp.locks import Lock
from consent.model import Decision
from consent.purposes import DEFAULT_PURPOSES, Purpose, by_channel
from consent.stamps import signal_of
from consent.standing import Ground, Standing, Told, standing
from profiles.language.properties import test
from tests.support.slow_campaigns import World

CHANNELS = ("email", "push")  # each with a destination of that name
TRIES = 2
_NEWS = Purpose("news", "News", "denied", validity_days=2, channels=CHANNELS)
_PURPOSES = [*by_channel(_NEWS), DEFAULT_PURPOSES[0]]
_LEDGER = named(
    "select d.id, d.state, d.reason, d.due, s.instead_of from deliveries d"
    " join journey_sends s on s.delivery = d.id"
)
_JOURNEYS = named("select campaign, cause, state, reason from journeys")


class _Undone(Exception):
    pass


class _Plain:
    """In the place of templates: what was referred to is what is said."""

    async def compose(
        self, connection: Connection, asked: Sequence[Asked]
    ) -> dict[bytes, Mapping[str, Any]]:
        return {each.delivery.id: each.says for each in asked}


@dataclass
class Rig:
    """One example: a transaction that is taken back at its end."""

    database: Database
    now: int = 0
    world: World = field(init=False)
    outbox: list[bytes] = field(default_factory=list)
    fails: Collection[int] = ()
    asked: list[bytes] = field(default_factory=list)

    async def begin(self) -> None:
        self._context = self.database.transaction()
        self.connection = await self._context.__aenter__()
        for key in CHANNELS:
            settings = {"url": f"http://hook.test/{key}"}
            made = Destination(key, "webhook", settings, ("none",), "", key, max_attempts=TRIES)
            await delivery_store.put(self.connection, made, b"")

    async def end(self) -> None:
        undone = _Undone()
        with contextlib.suppress(_Undone):
            await self._context.__aexit__(_Undone, undone, None)

    async def define(self, key: str, said: Mapping[str, Any]) -> None:
        await versions.put(self.connection, key, said)

    async def pause(self, key: str, paused: bool) -> None:
        await versions.pause(self.connection, key, paused=paused)

    async def pace(self, said: Mapping[str, Any]) -> None:
        await pacing_store.put(self.connection, policy_of(PacingSchema().load(said)))

    async def act(self, who: bytes, event: str, at: int, number: int) -> str:
        """They do something; returns its cause."""
        made = Event(
            1, "track", number.to_bytes(16), 1, "m", at, self.now, event, properties={"n": number}
        )
        listening = await listen(self.connection, test, idle=False)
        listening.hear(who, made)
        await store.hear(self.connection, listening.heard)
        return made.id.hex()

    async def look(self, who: bytes, entries: Sequence[tuple[str, Any, int]]) -> list[Delivery]:
        """At one person, who entered and left segments so; returns what is requested."""
        told = [
            Entry(number, segment, "analytics", who, on, self.now, cause="timer")
            for segment, on, number in entries
        ]
        campaigns = Campaigns(lambda _, says: msgspec.json.encode(says))
        people = {who: self._nodes(who)}
        found = await campaigns.run(self.connection, told, people, self._present, self.now)
        self.outbox += [each.id for each in found]
        return found

    async def wake(self) -> list[bytes]:
        return await store.wake(self.connection, self.now, 100)

    async def deliver(self, fails: Collection[int]) -> tuple[list[bytes], set[bytes], set[bytes]]:
        """What is due; returns what was looked at, what was tried, and what arrived."""
        ids = set(self.outbox)
        ids |= {each.id for each in await delivery_store.take_due(self.connection, self.now, 100)}
        self.outbox, self.fails, self.asked = [], fails, []
        claimed = [
            each._replace(profile=self.world.who(each.profile))
            for each in await delivery_store.claim(self.connection, ids)
        ]
        people = {each.profile: self._nodes(each.profile) for each in claimed}
        views = {
            who: {"profile_id": who.hex(), "timezone": self.world.zones[who]} for who in people
        }
        permits = {each.id: permit(each.purpose, self._stands(each.profile)) for each in claimed}
        claim = Claim(self.now, claims.clock())
        transport = httpx.MockTransport(self._answer)
        async with httpx.AsyncClient(transport=transport) as client:
            activation = self._activation(client)
            ready = await activation.admit(
                self.connection, claimed, permits, Whom(people, views), claim
            )
            marks = [mark for each in ready for mark in await activation.send([each], self.now)]
            await activation.note(self.connection, marks, self.now)
        sent = {mark.id for mark in marks if mark.state == "sent"}
        assert len(self.asked) == len(set(self.asked)) == len(ready)
        return [each.id for each in claimed], set(self.asked), sent

    async def ledger(self) -> dict[bytes, tuple[str, str, int, bytes | None]]:
        rows = await self.connection.execute(_LEDGER)
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}

    async def journeys(self) -> dict[tuple[str, str], tuple[str, str]]:
        rows = await self.connection.execute(_JOURNEYS)
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        assert said["type"] == "message"
        number = len(self.asked)
        self.asked.append(bytes.fromhex(request.headers["webhook-id"].replace("-", "")))
        return httpx.Response(500 if number in self.fails else 200)

    def _activation(self, client: httpx.AsyncClient) -> Activation:
        def told(_: bytes, body: bytes) -> Mapping[str, Any]:
            found: Mapping[str, Any] = msgspec.json.decode(body)
            return found

        connectors = Connectors(Reach(client, True), lambda *_: "whsec_" + "A" * 32)
        return Activation(
            connectors,
            told,
            Pacing(told, Lock.PACING),
            Lanes(),
            _Plain(),  # type: ignore[arg-type]
            Fallback(lambda _, says: msgspec.json.encode(says)),
        )

    async def _present(self, profiles: Collection[bytes]) -> Present:
        def reached(who: bytes, purpose: str, channels: Sequence[str]) -> Way | None:
            ways = [first(purpose, [each]) for each in channels]
            stands = self._stands(who)
            return next((each for each in ways if permit(each.purpose, stands).granted), None)

        def first(purpose: str, channels: Sequence[str]) -> Way:
            destination = Destination(channels[0], "webhook", {}, channel=channels[0])
            return Way(channels[0], needed(purpose, destination))

        return Present(self.world.inside, reached, first)

    def _nodes(self, who: bytes) -> list[bytes]:
        return [each for each in self.world.zones if self.world.who(each) == who]

    def _stands(self, who: bytes) -> Mapping[str, Standing]:
        told = []
        for node in self._nodes(who):
            decisions = [
                Decision(
                    signal_of(what),
                    "granted" if yes else "denied",
                    at,
                    hashlib.sha256(f"{number}".encode()).digest()[:16],
                    "api",
                )
                for number, (whose, what, yes, at) in enumerate(self.world.said)
                if whose == node
            ]
            told.append(Told(decisions))
        return standing(Ground(_PURPOSES, "CA", self.now), [told])
