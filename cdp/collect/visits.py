"""What a request says beside its messages, and what is kept of it with a refused one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from cdp.collect.normalise import Arrival, Refused
from cdp.collect.sources import Source
from cdp.collect.wire import Wire
from cdp.events import Instant, mapping
from cdp.log.quarantine import Refusal
from cdp.plans.model import Rules


class Visit(NamedTuple):
    """What a request says beside its body."""

    route: str
    kind: str  # the call that the route stands for; empty when each message says it
    keys: Sequence[str]
    origin: str = ""
    anonymous_id: str = ""
    ip: str = ""  # only where the route or the caller is a browser or a phone
    gpc: bool = False
    strict: bool = False
    ip_policy: str = ""
    trace: bytes = b""  # empty unless the request is traced


class Kept(msgspec.Struct, array_like=True):
    """A refused message with all that is needed to take it again."""

    raw: bytes
    kind: str
    envelope: dict[str, Any]
    anonymous_id: str
    ip: str
    gpc: bool
    key_hashes: list[bytes]
    ip_policy: str


class Known(NamedTuple):
    """What one request's messages share."""

    visit: Visit
    source: Source | None
    key_hashes: list[bytes]  # of the write key, in each of its readings; empty: none was sent
    received_at: Instant
    cause: bytes  # 16; ids that a message lacks are derived from it: repeating is harmless
    plan: Rules | None = None  # what its source may send

    @property
    def source_id(self) -> int:
        """0 if the source is not known."""
        return self.source.id if self.source else 0


def derived(known: Known, number: int) -> uuid.UUID:
    """An id for the message at this place of the request."""
    return uuid.uuid5(uuid.UUID(bytes=known.cause), str(number))


def arrival(known: Known, envelope: Mapping[str, Any]) -> Arrival:
    """What each message is completed with."""
    visit = known.visit
    return Arrival(
        known.source_id,
        known.received_at,
        visit.kind,
        envelope.get("sentAt"),
        mapping(envelope.get("context")),
        mapping(envelope.get("integrations")),
        visit.anonymous_id,
        visit.ip,
        visit.ip_policy,
        visit.gpc,
        visit.trace,
    )


def refusal(
    message: Wire, envelope: Mapping[str, Any], refused: Refused, known: Known, number: int
) -> Refusal:
    """A message as the quarantine keeps it."""
    visit = known.visit
    kept = Kept(
        message.raw,
        visit.kind,
        {name: envelope.get(name) for name in ("sentAt", "context", "integrations")},
        visit.anonymous_id,
        visit.ip,
        visit.gpc,
        known.key_hashes,
        visit.ip_policy,
    )
    return Refusal(
        derived(known, number).bytes,
        known.source.id if known.source else None,
        known.key_hashes[0] if known.key_hashes else b"",
        known.received_at,
        str(refused),
        refused.field,
        visit.route,
        msgspec.msgpack.encode(kept),
    )
