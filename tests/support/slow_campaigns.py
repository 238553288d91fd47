"""Campaigns, caps, quiet hours and consent once more, as plainly and slowly as they can be said.

Nothing here is the platform's own code: times of day are found by walking minute by minute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.slow_clocks import MINUTE, first_time, long, minute_of, minute_there


@dataclass
class Way:
    """Somebody's way through a campaign."""

    campaign: Mapping[str, Any]
    who: bytes
    cause: str
    at: int
    state: str
    reason: str
    due: int
    steps: Iterator[tuple[str, Any]]


@dataclass
class Wanted:
    """A message."""

    who: bytes
    way: Way
    send: Mapping[str, Any]
    channel: str
    at: int
    state: str = "waiting"
    tries: int = 0
    room: int | None = None  # since when it takes room under the caps

    @property
    def campaign(self) -> Mapping[str, Any]:
        return self.way.campaign

    @property
    def purpose(self) -> str:
        return str(self.campaign["purpose"])

    @property
    def rank(self) -> tuple[int, int]:
        return -self.campaign.get("priority", 0), self.at


@dataclass
class World:
    """Everything that there is to know. Profiles that are one have the same `root`."""

    zones: dict[bytes, str]
    validity: int
    pacing: dict[str, Any] = field(default_factory=dict)
    root: dict[bytes, bytes] = field(default_factory=dict)
    inside: dict[bytes, set[str]] = field(default_factory=dict)
    said: list[tuple[bytes, str, bool, int]] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    messages: dict[bytes, Wanted] = field(default_factory=dict)
    instead: dict[bytes, Wanted] = field(default_factory=dict)  # by what failed

    def who(self, node: bytes) -> bytes:
        return self.root.get(node, node)

    def merge(self, first: bytes, second: bytes) -> None:
        """The second is the first from now on."""
        for node in self.zones:
            if self.who(node) == second:
                self.root[node] = first
        self.inside.setdefault(first, set()).update(self.inside.get(second, ()))

    def allows(self, person: bytes, purpose: str, channel: str, now: int) -> bool:
        """The latest word counts; at once, or within a minute of one another, a no does."""
        if purpose == "necessary":
            return True
        last: dict[bytes, tuple[int, bool]] = {}
        for node, what, yes, at in self.said:
            if self.who(node) == person and what in {purpose, f"{purpose}.{channel}"}:
                last[node] = max(last.get(node, (0, True)), (at, not yes))
        if not last:
            return False
        at, no = max(last.values())
        if no or any(other_no and other >= at - MINUTE for other, other_no in last.values()):
            return False
        return now < at + self.validity

    def begin(self, campaign: Mapping[str, Any], who: bytes, cause: str, at: int) -> None:
        """Or note why not."""
        if any((w.campaign["key"], w.cause) == (campaign["key"], cause) for w in self.ways):
            return
        mine = [
            each
            for each in self.ways
            if each.campaign["key"] == campaign["key"]
            and self.who(each.who) == who
            and each.state != "refused"
        ]
        inside, reason = self.inside.setdefault(who, set()), ""
        latest = max((each.at for each in mine), default=None)
        if campaign["paused"]:
            reason = "paused"
        elif campaign.get("audience") and campaign["audience"] not in inside:
            reason = "not in the audience"
        elif campaign.get("exclude") and campaign["exclude"] in inside:
            reason = "excluded"
        elif any(each.state == "active" for each in mine):
            reason = "is in it"
        elif latest is not None and "again" not in campaign:
            reason = "was in it"
        elif latest is not None and latest + long(campaign["again"]) > at:
            reason = "was in it lately"
        digest = hashlib.blake2b(campaign["key"].encode() + who, digest_size=8).digest()
        held = int.from_bytes(digest) % 1_000_000 < campaign.get("holdout", 0) * 1_000_000
        state = "refused" if reason else "held_out" if held else "active"
        way = Way(campaign, who, cause, at, state, reason, at, iter(()))
        way.steps = self._walk(campaign["steps"], way)
        self.ways.append(way)

    def _walk(self, steps: Sequence[Mapping[str, Any]], way: Way) -> Iterator[tuple[str, Any]]:
        for step in steps:
            if "if" not in step:
                yield from step.items()
                continue
            yes = step["if"] in self.inside[self.who(way.who)]
            yield from self._walk(step["then"] if yes else step.get("else", ()), way)

    def goal(self, who: bytes, event: str, at: int) -> None:
        """Somebody did this."""
        for way in self.ways:
            goal = way.campaign.get("goal")
            hit = goal and goal["event"] == event and self.who(way.who) == who
            if hit and way.state == "active" and way.at <= at <= way.at + long(goal["within"]):
                way.state = "left"

    def look(self, who: bytes, now: int) -> list[tuple[str, Wanted]]:
        """What is requested of whoever is due, with the cause of each."""
        found = []
        for way in self.ways:
            excluded = way.campaign.get("exclude") in self.inside.setdefault(who, set())
            due = way.state == "active" and way.due <= now and self.who(way.who) == who
            if not due or way.campaign["paused"]:
                continue
            if excluded:
                way.state = "left"
                continue
            way.state = "finished"
            for kind, what in way.steps:
                if kind == "send":
                    found.append((way.cause, self._want(way, who, what, now)))
                    continue
                way.due += long(what)
                if way.due > now:
                    way.state = "active"
                    break
        return found

    def _want(self, way: Way, who: bytes, send: Mapping[str, Any], now: int) -> Wanted:
        purpose, channels = way.campaign["purpose"], send["channels"]
        allowed = [each for each in channels if self.allows(who, purpose, each, now)]
        return Wanted(who, way, send, (allowed or channels)[0], now)

    def fall_back(self, failed: bytes, now: int) -> None:
        """To the next channel of the step, if there is a point in it."""
        message = self.messages[failed]
        way, channels = message.way, message.send["channels"]
        later = channels[channels.index(message.channel) + 1 :]
        goal = way.campaign.get("goal")
        over = goal and now > way.at + long(goal["within"])
        if later and way.state != "left" and not way.campaign["paused"] and not over:
            self.instead[failed] = Wanted(message.who, way, message.send, later[0], now)

    def go(self, ids: Sequence[bytes], now: int) -> set[bytes]:
        """Which of these are sent now; those that never will be are over."""
        going = set()
        for each in ids:
            message = self.messages[each]
            who = self.who(message.who)
            if not self.allows(who, message.purpose, message.channel, now):
                message.state, message.room = "refused", None
        for each in sorted(ids, key=lambda one: (*self.messages[one].rank, one)):
            message = self.messages[each]
            who = self.who(message.who)
            if message.state == "refused":
                continue
            until = self._free(message, now)
            if until == now and message.room is None and message.purpose != "necessary":
                until = self._room(each, who, now)
            late = until is None or (until > now and self._is_over(message, until))
            if late and message.purpose != "necessary":
                message.state, message.room = "refused", None
            elif until == now:
                message.room = now if message.room is None else message.room
                message.state = "going"
                going.add(each)
        return going

    def _free(self, message: Wanted, now: int) -> int:
        """When its own timing and quiet hours let it go, from then on."""
        at = now
        while not self.is_time(message, at):
            at += MINUTE - at % MINUTE
        return at

    def _is_over(self, message: Wanted, until: int) -> bool:
        return until - message.at > long(self.pacing.get("patience", "3d"))

    def is_time(self, message: Wanted, now: int) -> bool:
        """By its own timing, and out of quiet hours."""
        zone = self.zones[self.who(message.who)]
        timing = message.send.get("timing")
        if timing and now < first_time(message.at, timing, zone):
            return False
        return message.purpose == "necessary" or not self.is_quiet(message.channel, zone, now)

    def is_quiet(self, channel: str, zone: str, now: int) -> bool:
        shown = minute_there(now, zone)
        for each in self.pacing.get("quiet_hours", ()):
            begin, end = minute_of(each["from"]), minute_of(each["to"])
            if each.get("channels") and channel not in each["channels"]:
                continue
            if (begin < end and begin <= shown < end) or (begin > end and not end <= shown < begin):
                return True
        return False

    def taken(self, cap: Mapping[str, Any], who: bytes, now: int) -> list[int]:
        """Since when room under a cap is taken."""
        return sorted(
            message.room
            for message in self.messages.values()
            if message.room is not None
            and self.who(message.who) == who
            and now - long(cap["window"]) < message.room
            and self.counts(cap, message)
        )

    @staticmethod
    def counts(cap: Mapping[str, Any], message: Wanted) -> bool:
        by_channel = cap.get("channel", "") in {"", message.channel}
        return by_channel and cap.get("purpose", "") in {"", message.purpose}

    def _room(self, this: bytes, who: bytes, now: int) -> int | None:
        """When there is room for it under the first cap that is full; None: it does not wait."""
        mine = self.messages[this]
        ahead = [
            each
            for key, each in self.messages.items()
            if each.state == "waiting"
            and self.who(each.who) == who
            and each.purpose != "necessary"
            and (*each.rank, key) < (*mine.rank, this)
        ]
        for cap in self.pacing.get("caps", ()):
            if not self.counts(cap, mine):
                continue
            taken = self.taken(cap, who, now)
            more = len(taken) + sum(self.counts(cap, each) for each in ahead) - cap["limit"]
            if more >= 0 and cap.get("over") != "wait":
                return None
            if more >= 0:
                return (*taken, *[now] * more, now)[more] + long(cap["window"])
        return now
