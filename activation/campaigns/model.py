"""Campaigns as values: who begins one, what their next step is, when they leave it.

A person's way through a campaign is a journey. Its steps are a list of operations, so that where it
is is one number; a journey goes on with the version of the campaign that it began with.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from activation.campaigns.program import Jump, Operation, Pause, Send, Unless
from activation.campaigns.schedules import Schedule
from cdp.events import Instant, ProfileId

_NAMESPACE = uuid.UUID("6a0a6f2c-0f0d-5b0e-8f55-3a2f6c1b7d11")
_PARTS = 1_000_000  # of the holdout share

State: TypeAlias = Literal["active", "finished", "left", "held_out", "refused"]
On: TypeAlias = Literal["entered", "left", "event", "call", "schedule"]


class Goal(NamedTuple):
    """An event within so long of the beginning (microseconds); if it `leaves`, that is the end."""

    event: str
    within: int
    leaves: bool = True
    value: str = ""  # the property that has what it was worth; empty: revenue, or total


@dataclass(frozen=True, slots=True)
class Campaign:
    """One version of a campaign."""

    key: str
    version: int
    on: On
    segment: str  # of a trigger by a segment; of one by an event its name
    purpose: str
    program: tuple[Operation, ...]
    audience: str = ""  # a segment that whoever begins must be in; empty: nobody need be
    exclude: str = ""  # a segment that whoever begins must not be in, and is taken out of it by
    goal: Goal | None = None
    holdout: float = 0.0  # the share of people who are sent nothing, to compare with
    again: int | None = None  # microseconds until somebody may begin again; None: never
    priority: int = 0
    paused: bool = False
    corrections: bool = False  # whether it begins because of an event that was corrected
    where: tuple[Mapping[str, Any], ...] = ()  # of a trigger by an event: what its properties are
    schedule: Schedule | None = None


class Start(NamedTuple):
    """Something that may begin a journey: its id is derived, so that it begins one at most."""

    campaign: str
    profile: ProfileId
    cause: str
    at: Instant


@dataclass(slots=True)
class Journey:
    """One person's way through a campaign, or why they did not go it."""

    id: bytes
    campaign: str
    version: int
    profile: ProfileId
    cause: str
    at: Instant
    state: State
    place: int = 0  # the operation that is next
    due: Instant | None = None
    reason: str = ""
    converted_at: Instant | None = None
    converted_by: bytes | None = None  # the event that reached the goal


def journey_id(campaign: str, profile: ProfileId, cause: str) -> bytes:
    """The same cause gives the same id, so beginning again is a no-op."""
    return uuid.uuid5(_NAMESPACE, f"{campaign}/{profile.hex()}/{cause}").bytes


def delivery_id(journey: bytes, place: int) -> bytes:
    """Of the message that an operation of a journey sends."""
    return uuid.uuid5(uuid.UUID(bytes=journey), str(place)).bytes


def held_out(campaign: Campaign, profile: ProfileId) -> bool:
    """Whether somebody is sent nothing, to compare with: the same person always, by their id."""
    digest = hashlib.blake2b(campaign.key.encode() + profile, digest_size=8).digest()
    return int.from_bytes(digest) % _PARTS < round(campaign.holdout * _PARTS)


def template_of(campaign: Campaign, send: Send, profile: ProfileId) -> str:
    """Which of a step's variants somebody is sent: the same always, by their id and the weights."""
    if not send.variants:
        return send.template
    named = f"{campaign.key}/{send.step}".encode()
    digest = hashlib.blake2b(named + profile, digest_size=8).digest()
    place = int.from_bytes(digest) % sum(weight for _, weight in send.variants)
    ends = itertools.accumulate(weight for _, weight in send.variants)
    pairs = zip(send.variants, ends, strict=True)
    return next(template for (template, _), end in pairs if place < end)


def begin(
    campaign: Campaign, start: Start, before: Collection[Journey], inside: Collection[str]
) -> Journey:
    """A journey for this start, or the record of why there is none.

    `before` are the person's other journeys in this campaign, `inside` the segments they are in.
    """
    journey = Journey(
        journey_id(campaign.key, start.profile, start.cause),
        campaign.key,
        campaign.version,
        start.profile,
        start.cause,
        start.at,
        "active",
        due=start.at,
    )
    reason = _refusal(campaign, start, before, inside)
    if reason:
        journey.state, journey.reason, journey.due = "refused", reason, None
    elif held_out(campaign, start.profile):
        journey.state, journey.due = "held_out", None
    return journey


def _refusal(
    campaign: Campaign, start: Start, before: Collection[Journey], inside: Collection[str]
) -> str:
    begun = [each for each in before if each.state != "refused"]
    latest = max((each.at for each in begun), default=None)
    again = None if latest is None or campaign.again is None else latest + campaign.again
    reasons = (
        (campaign.paused, "paused"),
        (campaign.audience and campaign.audience not in inside, f"not in {campaign.audience}"),
        (campaign.exclude and campaign.exclude in inside, f"in {campaign.exclude}"),
        (any(each.state == "active" for each in begun), "is in it already"),
        (latest is not None and again is None, "was in it before"),
        (again is not None and again > start.at, "was in it lately"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def advance(
    campaign: Campaign, journey: Journey, inside: Collection[str], now: Instant
) -> list[tuple[int, Send]]:
    """Go as far as a journey goes now; it is changed in place. What is sent, and at which place."""
    sends: list[tuple[int, Send]] = []
    if journey.state != "active" or journey.due is None or journey.due > now:
        return sends
    if reason := _barred(campaign, journey, inside):
        end(journey, "left", reason)
        return sends
    at = journey.due
    while journey.place < len(campaign.program):
        operation = campaign.program[journey.place]
        match operation:
            case Unless(segment, elsewhere):
                journey.place = journey.place + 1 if segment in inside else elsewhere
                continue
            case Jump(elsewhere):
                journey.place = elsewhere
                continue
            case Send():
                sends.append((journey.place, operation))
            case Pause(length):
                journey.place += 1
                journey.due = at = at + length
                if at > now:
                    return sends
                continue
        journey.place += 1
    end(journey, "finished", "")
    return sends


def _barred(campaign: Campaign, journey: Journey, inside: Collection[str]) -> str:
    """Why somebody goes no further; a schedule comes to some later than to others."""
    if campaign.exclude and campaign.exclude in inside:
        return f"in {campaign.exclude}"
    if campaign.schedule and journey.place == 0 and campaign.audience not in inside:
        return f"not in {campaign.audience}"
    return ""


def end(journey: Journey, state: State, reason: str) -> None:
    """It goes no further."""
    journey.state, journey.reason, journey.due = state, reason, None


def reach(campaign: Campaign, journey: Journey, at: Instant, event: bytes = b"") -> bool:
    """Whether this event reaches the journey's goal, the first time; the journey is changed.

    Those who are held out are measured alike.
    """
    goal = campaign.goal
    if goal is None or journey.state == "refused" or journey.converted_at is not None:
        return False
    if not journey.at <= at <= journey.at + goal.within:
        return False
    journey.converted_at, journey.converted_by = at, event or None
    if goal.leaves and journey.state == "active":
        end(journey, "left", "goal")
    return True
