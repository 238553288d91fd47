"""Deliveries as values: what is planned for a change, when to try again, what is sent."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from activation.shaping import COMPUTED
from cdp.events import Instant, ProfileId
from cdp.times import SECOND, iso

Kind: TypeAlias = Literal["entered", "left", "updated", "expired", "erased", "message"]
State: TypeAlias = Literal[
    "requested", "delayed", "refused", "sending", "sent", "retrying", "parked"
]

_NAMESPACE = uuid.UUID("6f0f6d2e-51a5-5f1f-9d0b-2f2f0c1f7a01")
ERASED: Literal["erased"] = "erased"  # a person, by their own request: of no segment
UPDATED: Literal["updated"] = "updated"  # computed traits of somebody who is in a segment
MESSAGE: Literal["message"] = "message"  # to a person: what it says is written down beforehand
CORRECTION = "correction"  # the cause of what came of an event that was recorded in error
FIRST_WAIT = 1.0  # seconds; doubles with every try
LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class Destination:
    """Where audiences go. `segments` empty means all of them; `settings` are its kind's own."""

    key: str
    kind: str
    settings: Mapping[str, Any]
    segments: tuple[str, ...] = ()
    purpose: str = ""  # empty: the segment's own
    channel: str = ""  # what it sends by: of a purpose with several, that one is needed
    max_attempts: int = 8
    timeout: float = 10.0
    enabled: bool = True
    consent_events: bool = False  # hears of it when a yes has ended
    concurrency: int = 64  # tries at a time, of each worker
    corrections: bool = True  # hears of who is in or out because an event was corrected
    rate: float | None = None  # deliveries a second, of all workers together


class Entry(NamedTuple):
    """An entry into or exit from a segment, as the ledger of changes has it."""

    offset: int
    segment: str
    purpose: str
    profile: ProfileId
    kind: Kind
    at: Instant
    origin: bytes = b""
    cause: str = ""  # as the ledger of changes has it


class Ended(NamedTuple):
    """Somebody's yes to a purpose has ended by itself, as a fact in the log says."""

    fact: bytes
    purpose: str
    profile: ProfileId
    at: Instant


class Delivery(NamedTuple):
    """One message for one destination; its id is derived from its cause.

    Where a yes has ended, `segment` is the purpose that it was for.
    """

    id: bytes
    destination: str
    profile: ProfileId
    segment: str
    kind: Kind
    at: Instant
    purpose: str
    state: State = "requested"
    attempts: int = 0
    origin: bytes = b""  # what measures and traces go back to; nothing here depends on it
    cause: str = (
        ""  # of an entry or exit: why that was decided; empty: an older process requested it
    )


class Outcome(NamedTuple):
    """What came of one try."""

    delivered: bool
    status: int | None
    reason: str
    retry_after: float | None = None  # seconds, as the destination asked
    final: bool = False  # another try would come to the same


def plan(entries: Iterable[Entry], destinations: Sequence[Destination]) -> list[Delivery]:
    """Which deliveries follow from these entries and exits.

    To tell a destination that somebody left is always allowed: it is how a withdrawal takes effect.
    """
    return [
        Delivery(
            delivery_id(destination.key, entry.offset),
            destination.key,
            entry.profile,
            entry.segment,
            entry.kind,
            entry.at,
            "necessary"
            if entry.kind == "left"
            else needed(destination.purpose or entry.purpose, destination),
            origin=entry.origin,
            cause=entry.cause,
        )
        for entry in entries
        for destination in destinations
        if destination.enabled
        and (not destination.segments or entry.segment in destination.segments)
        and (destination.corrections or entry.cause != CORRECTION)
    ]


def needed(purpose: str, destination: Destination) -> str:
    """The purpose that people must allow: their channel's, where they allow it by channel."""
    by = destination.channel
    return f"{purpose}.{by}" if by and "." not in purpose else purpose


def announced(ends: Iterable[Ended], destinations: Sequence[Destination]) -> list[Delivery]:
    """Which deliveries tell that somebody's yes has ended; this takes no consent."""
    return [
        Delivery(
            delivery_id(destination.key, each.fact.hex()),
            destination.key,
            each.profile,
            each.purpose,
            "expired",
            each.at,
            "necessary",
        )
        for each in ends
        for destination in destinations
        if destination.enabled
        and destination.consent_events
        and destination.purpose in {"", each.purpose}
    ]


def delivery_id(destination: str, change: int | str) -> bytes:
    """The same cause gives the same id, so doing it again is a no-op."""
    return uuid.uuid5(_NAMESPACE, f"{destination}/{change}").bytes


def wait_seconds(attempts: int, asked: float | None, chance: float) -> float:
    """Exponential back-off with full jitter; `chance` is uniform in [0, 1).

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. What the
    destination asked for with Retry-After is the least.
    """
    ceiling: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts, 20))
    return max(asked or 0.0, chance * ceiling)


def after(
    delivery: Delivery, outcome: Outcome, destination: Destination, now: Instant, chance: float
) -> tuple[State, Instant | None]:
    """The next state, and when it is due again."""
    if outcome.delivered:
        return "sent", None
    if outcome.final or delivery.attempts >= destination.max_attempts:
        return "parked", None
    wait = min(wait_seconds(delivery.attempts, outcome.retry_after, chance), LONGEST_WAIT)
    return "retrying", now + round(wait * SECOND)


def nobody(delivery: Delivery) -> Mapping[str, Any] | None:
    """Who is nobody any more, for all there was of them was in error, is still taken off lists."""
    if delivery.kind != "left":
        return None
    return {"profile_id": str(uuid.UUID(bytes=delivery.profile))}


def body(delivery: Delivery, view: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """What a webhook receives; of an erasure the view is what it is told."""
    if delivery.kind == MESSAGE:
        return {
            "type": "message",
            "timestamp": iso(delivery.at),
            "data": {
                "profile_id": view.get("profile_id"),
                "identifiers": view.get("identifiers", {}),
                "content": dict(content),
            },
        }
    if delivery.kind == ERASED:
        return {"type": "person.erased", "timestamp": iso(delivery.at), "data": dict(view)}
    if delivery.kind == "expired":
        return {
            "type": "consent.expired",
            "timestamp": iso(delivery.at),
            "data": {
                "purpose": delivery.segment,
                "profile_id": view.get("profile_id"),
                "identifiers": view.get("identifiers", {}),
            },
        }
    present = delivery.kind in {"entered", UPDATED}
    data = {
        "segment": delivery.segment,
        "cause": delivery.cause,
        "profile_id": view.get("profile_id"),
        "identifiers": view.get("identifiers", {}),
        "traits": view.get("traits", {}) if present else {},
    }
    if COMPUTED in view:
        data["computed"] = view[COMPUTED] if present else {}
    return {"type": f"segment.{delivery.kind}", "timestamp": iso(delivery.at), "data": data}
