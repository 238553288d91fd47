"""What a privacy request is, until when it has to be done, and what its receipt says. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from cdp.events import Instant, SubjectId
from cdp.times import SECOND, iso
from consent import jurisdictions

Kind: TypeAlias = Literal["erase", "export", "suppress", "unsuppress"]
Status: TypeAlias = Literal["received", "running", "done", "failed"]
AskedBy: TypeAlias = Literal["operator", "person"]

_TYPES = {"erase": "erasure", "suppress": "suppression", "unsuppress": "end of suppression"}
RECEIPT = "privacy-receipt"
ARCHIVE_DAYS = 7
_DAY = 86_400 * SECOND
# GDPR Art. 12(3): a month; CCPA § 1798.130(a)(2)(A) and the laws of other states like it: 45 days.
_DAYS, _DAYS_IN_STATES = 30, 45
_LONGEST_WAIT = 3600  # seconds between two tries


class Request(NamedTuple):
    """One request. Whom it is about is a keyed hash: after an erasure nobody can tell."""

    number: int
    id: uuid.UUID
    kind: Kind
    subject: SubjectId
    namespace: str
    asked_by: AskedBy
    reference: str
    status: Status
    received_at: Instant
    due_at: Instant
    awaits: Mapping[str, int] | None
    people: Sequence[SubjectId]
    result: Mapping[str, Any]
    attempts: int
    next_at: Instant
    reason: str
    begun_at: Instant | None
    done_at: Instant | None
    receipt: str

    @property
    def expires_at(self) -> Instant | None:
        """When the archive of an export is deleted."""
        if self.kind != "export" or self.done_at is None:
            return None
        return self.done_at + ARCHIVE_DAYS * _DAY


def due(received: Instant, codes: Collection[str], home: str) -> Instant:
    """Until when it has to be done, by where somebody was seen; the shortest time that may hold."""
    laws = [jurisdictions.regime(code) for code in codes or ({home} if home else ())]
    in_states = bool(laws) and all(
        law is not None and all(place.startswith("US") for place in law.places) for law in laws
    )
    return received + (_DAYS_IN_STATES if in_states else _DAYS) * _DAY


def wait_seconds(attempts: int) -> int:
    """Until the next try of what failed so often."""
    return int(min(_LONGEST_WAIT, 2 ** min(attempts - 1, 20)))


def receipt(request: Request, done: Instant, destinations: Sequence[str]) -> dict[str, Any]:
    """What was done, without a word that says of whom."""
    result = request.result
    return {
        "type": _TYPES[request.kind],
        "request": str(request.id),
        "received_at": iso(request.received_at),
        "due_at": iso(request.due_at),
        "effective_at": result["shown"]["at"],
        "done_at": iso(done),
        "subjects": len(request.people),
        "keys_destroyed": result["shown"]["keys_destroyed"],
        "events_unreadable": result["shown"]["events"],
        "rows_deleted": result["shown"]["rows"],
        "destinations_told": list(destinations),
    }
