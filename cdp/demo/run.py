"""The demo, step by step: play the shop, then ask the platform what it makes of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cdp import times
from cdp.demo import story
from cdp.demo.client import Client
from cdp.demo.platform import Home
from cdp.demo.receiver import Hook, Receiver
from cdp.errors import CdpError
from cdp.importing import maps
from cdp.importing.mapping import Planned, planned
from cdp.importing.play import Ears, Job, Tally, play
from cdp.importing.reading import Lines, records
from cdp.importing.target import until_quiet

_OPEN = {"requested", "delayed", "sending", "retrying"}
_DELIVERY_SECONDS = 60.0


class People(NamedTuple):
    """How sessions became people."""

    people: int
    sessions: int
    known: int  # people who signed in at least once
    known_sessions: int
    merged: int  # people who are known from several sessions
    most: int  # sessions of one person


class Size(NamedTuple):
    """A segment as it came out."""

    key: str
    name: str
    people: int
    known: int


class Sent(NamedTuple):
    """What became of a destination's deliveries."""

    destination: str
    purpose: str
    states: dict[str, int]
    received: int
    verified: int


class Reaction(NamedTuple):
    """How soon a segment's exit arrived at the receiver after the event that caused it."""

    user: str
    segment: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Demo:
    """The steps, in their order."""

    home: Home
    client: Client
    receiver: Receiver

    def play(self, ears: Ears) -> Tally:
        """Send the file, moved in time so that its last event is now, and see all of it handled."""
        map_ = maps.find(story.MAP)
        with Lines(story.FILE) as lines:
            last = max(
                times.parse(each.fields["timestamp"])
                for record in records(lines, map_)
                for each in planned(map_, record.row or {})
                if isinstance(each, Planned)
            )
        job = Job(story.FILE, map_, self.home.url, self.home.write_key, shift=times.now() - last)
        tally = asyncio.run(play(job, ears))
        until_quiet(self.home.url)
        return tally

    def define_first(self) -> None:
        """Define the segments that nobody is told about: they fill as the events come."""
        self._define([each for each in (story.EVERYONE, *story.SEGMENTS) if not _is_told(each)])

    def define_after(self) -> int:
        """Define those that destinations hear of: each member enters once, looked up in history.

        Before the events, people would enter and leave them as the past goes by. Returns how many.
        """
        for destination in story.DESTINATIONS:
            body = {
                "kind": "webhook",
                "url": self.receiver.url(destination.key),
                "purpose": destination.purpose,
                "segments": list(destination.segments),
                "secret": self.receiver.secret,
            }
            self.client.put(f"/destinations/{destination.key}", body)
        told = [each for each in story.SEGMENTS if _is_told(each)]
        self._define(told)
        return len(told)

    def _define(self, segments: Sequence[story.Segment]) -> None:
        for segment in segments:
            body = {"name": segment.name, "where": segment.where}
            self.client.put(f"/segments/{segment.key}", body)
        until_quiet(self.home.url)

    def people(self) -> People:
        """Who the visitors are."""
        sessions = [
            (len(member["identifiers"].get("anonymous_id", ())), _is_known(member))
            for member in self.client.members(story.EVERYONE.key)
        ]
        return People(
            people=len(sessions),
            sessions=sum(count for count, _ in sessions),
            known=sum(1 for _, known in sessions if known),
            known_sessions=sum(count for count, known in sessions if known),
            merged=sum(1 for count, _ in sessions if count > 1),
            most=max((count for count, _ in sessions), default=0),
        )

    def sizes(self) -> list[Size]:
        """Who is in which segment."""
        found = []
        for segment in story.SEGMENTS:
            members = self.client.members(segment.key)
            known = sum(map(_is_known, members))
            found.append(Size(segment.key, segment.name, len(members), known))
        return found

    def sent(self) -> list[Sent]:
        """What the destinations got, by the ledger and by the receiver."""
        deadline = time.monotonic() + _DELIVERY_SECONDS
        while True:
            ledgers = [self._states(each) for each in story.DESTINATIONS]
            if not any(_OPEN & states.keys() for states in ledgers):
                break
            if time.monotonic() > deadline:
                raise CdpError(f"deliveries are still open after {_DELIVERY_SECONDS:.0f} s")
            time.sleep(0.2)
        return [
            Sent(each.key, each.purpose, states, *self._received(each.key))
            for each, states in zip(story.DESTINATIONS, ledgers, strict=True)
        ]

    def _states(self, destination: story.Destination) -> dict[str, int]:
        ledger = self.client.deliveries(destination.key)
        return dict(Counter(delivery["state"] for delivery in ledger))

    def _received(self, destination: str) -> tuple[int, int]:
        hooks = [hook for hook in self.receiver.hooks if hook.destination == destination]
        return len(hooks), sum(hook.verified for hook in hooks)

    def somebody(self) -> dict[str, Any]:
        """The profile of one who left a cart: the first by name of those with most sessions."""
        known = [m["identifiers"] for m in self.client.members(story.CARTS) if _is_known(m)]
        if not known:
            raise CdpError("nobody known is among the abandoned carts")
        best = min(known, key=lambda ids: (-len(ids["anonymous_id"]), ids["user_id"]))
        return self.client.profile(f"user_id:{best['user_id'][0]}")

    def react(self, person: dict[str, Any]) -> Reaction:
        """Let this person order now, and see when the receiver hears of it."""
        user = person["identifiers"]["user_id"][0]

        def tells(hook: Hook) -> bool:
            data = hook.body.get("data", {})
            named = user in data.get("identifiers", {}).get("user_id", ())
            return named and (hook.body["type"], data["segment"]) == ("segment.left", story.CARTS)

        started = time.monotonic()
        order = {"userId": user, "event": "Order Completed", "messageId": str(uuid.uuid4())}
        self.client.track(order)
        hook = self.receiver.wait_for(tells, _DELIVERY_SECONDS)
        if hook is None:
            raise CdpError(f"no webhook within {_DELIVERY_SECONDS:.0f} s of {user}'s order")
        return Reaction(user, story.CARTS, hook.at - started)


def summary(people: People, sizes: Sequence[Size], sent: Sequence[Sent]) -> dict[str, Any]:
    """The same for programs."""
    return {
        **people._asdict(),
        "segments": {size.key: {"people": size.people, "known": size.known} for size in sizes},
        "deliveries": {
            each.destination: {
                **each.states,
                "webhooks": {"received": each.received, "verified": each.verified},
            }
            for each in sent
        },
    }


def _is_told(segment: story.Segment) -> bool:
    return any(segment.key in destination.segments for destination in story.DESTINATIONS)


def _is_known(member: dict[str, Any]) -> bool:
    return "user_id" in member["identifiers"]
