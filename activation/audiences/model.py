"""Deliveries as rows of an audience and as calls of Segment's protocol, with mapped traits."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from activation.model import ERASED, UPDATED, Delivery
from activation.shaping import COMPUTED
from cdp.events import Instant
from cdp.times import iso

_BATCH = uuid.UUID("0d7c1f0e-1c0b-5a4e-8f0c-6f1f9a4b7c52")


class Row(NamedTuple):
    """One person in, or out of, one segment; of an erasure, one id of who is to be deleted.

    Where a yes has ended, `segment` is the purpose that it was for, as in the ledger.
    """

    id: str  # of the delivery: a reader that has seen it can ignore it
    change: str
    segment: str
    member: bool | None  # None: it is not of a segment
    since: Instant | None
    left_at: Instant | None
    at: Instant
    profile_id: str
    identifiers: Mapping[str, Any]
    traits: Mapping[str, str | None]  # by their names there; None of who is not a member


FIXED = ("id", "change", "segment", "member", "since", "left_at", "profile_id", "identifiers")


class Names(NamedTuple):
    """By which names there traits and computed traits go along, and what here they stand for."""

    traits: Mapping[str, str]
    computed: Mapping[str, str]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Names:
        """As a destination's settings have them."""
        return cls(settings["traits"], settings.get("computed", {}))

    @property
    def columns(self) -> list[str]:
        """All names there."""
        return [*self.traits, *self.computed]


def rows(delivery: Delivery, view: Mapping[str, Any], names: Names) -> list[Row]:
    """What a delivery says: one row, or of an erasure one for each id that was told."""
    entered, left = delivery.kind == "entered", delivery.kind == "left"
    present = entered or delivery.kind == UPDATED
    return [
        Row(
            id=str(uuid.UUID(bytes=delivery.id)),
            change=delivery.kind,
            segment=delivery.segment,
            member=present if present or left else None,
            since=delivery.at if entered else None,
            left_at=delivery.at if left else None,
            at=delivery.at,
            profile_id=profile,
            identifiers=view.get("identifiers", {}),
            traits=mapped(view if present else {}, names),
        )
        for profile in _profiles(delivery, view)
    ]


def _profiles(delivery: Delivery, view: Mapping[str, Any]) -> Sequence[str]:
    return view["profile_ids"] if delivery.kind == ERASED else [view["profile_id"]]


def mapped(view: Mapping[str, Any], names: Names) -> dict[str, str | None]:
    """Traits by the names that they have there; what is no text, as JSON writes it."""
    traits, computed = view.get("traits", {}), view.get(COMPUTED, {})
    found = {there: _text(traits.get(here)) for there, here in names.traits.items()}
    return found | {there: _text(computed.get(there)) for there in names.computed}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def batch_id(deliveries: Sequence[Delivery]) -> uuid.UUID:
    """The same deliveries sent together once more have the same."""
    return uuid.uuid5(_BATCH, "/".join(each.id.hex() for each in deliveries))


def calls(delivery: Delivery, view: Mapping[str, Any], names: Names) -> list[dict[str, Any]]:
    """What a delivery says, as calls of Segment's protocol (segment.com/docs, HTTP API).

    An entry or exit is an identify with a trait of the segment's name, true or false, and a track,
    as Segment tells its own audiences.
    """
    said = list(_calls(delivery, view, names))
    return [
        {
            "messageId": f"{uuid.UUID(bytes=delivery.id)}-{number}",
            "timestamp": iso(delivery.at),
            "context": {"externalIds": _external(view.get("identifiers", {}))},
            **call,
        }
        for number, call in enumerate(said)
    ]


def _calls(delivery: Delivery, view: Mapping[str, Any], names: Names) -> Iterator[dict[str, Any]]:
    people = _people(view.get("identifiers", {}), _profiles(delivery, view))
    if delivery.kind == ERASED:
        for who in people:
            yield _track(who, "Person Erased", {"profile_ids": view["profile_ids"]})
        return
    who = people[0]
    if delivery.kind == "expired":
        yield _track(who, "Consent Expired", {"purpose": delivery.segment})
        return
    entered = delivery.kind == "entered"
    present = entered or delivery.kind == UPDATED
    traits = view.get("traits", {}) if present else {}
    sent = {there: traits[here] for there, here in names.traits.items() if here in traits}
    if present:
        sent |= view.get(COMPUTED, {})
    if delivery.kind == UPDATED:
        yield {"type": "identify", **who, "traits": sent}
        return
    yield {"type": "identify", **who, "traits": {**sent, delivery.segment: entered}}
    about = {"audience_key": delivery.segment, delivery.segment: entered, "cause": delivery.cause}
    yield _track(who, "Audience Entered" if entered else "Audience Exited", about)


def _track(who: Mapping[str, str], event: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "track", **who, "event": event, "properties": dict(properties)}


def _people(
    identifiers: Mapping[str, Sequence[str]], profiles: Sequence[str]
) -> list[dict[str, str]]:
    """By whom a call is: user ids, else anonymous ids, else profile ids stand for one."""
    if identifiers.get("user_id"):
        return [{"userId": each} for each in identifiers["user_id"]]
    return [{"anonymousId": each} for each in identifiers.get("anonymous_id") or profiles]


def _external(identifiers: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    return [
        {"id": each, "type": namespace, "collection": "users", "encoding": "none"}
        for namespace, values in sorted(identifiers.items())
        for each in values
    ]
