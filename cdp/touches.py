"""What a record of `touched` says: why its profile is looked at, whose event it was, since when.

Either an event did: its id, its subject and its origin. Or something else: a word for it.
"""

from __future__ import annotations

from cdp import origins
from cdp.events import SubjectId
from cdp.log.store import Record
from cdp.origins import Origin

CORRECTION = b"correction"  # in the place of an event's id

_ID = 16  # bytes of an event's id, and of a subject's


def packed(event_id: bytes, subject: SubjectId, origin: Origin | None) -> bytes:
    """The value of a record that an event causes, or that of events which were corrected."""
    if event_id == CORRECTION:
        return CORRECTION
    return event_id + subject + origins.packed(origin)


def cause(value: bytes) -> str:
    """Why a profile is looked at: an event's id, or a word for what else made us."""
    return value[:_ID].hex() if _is_of_event(value) else value.decode()


def subject(touched: Record) -> SubjectId:
    """Whose event touched the profile; a profile's id is its earliest identifier."""
    value = touched.value
    return value[_ID : 2 * _ID] if _is_of_event(value) else touched.key


def origin(value: bytes) -> Origin | None:
    """What the event was, for measures and traces."""
    return origins.unpacked(value[2 * _ID :]) if _is_of_event(value) else None


def _is_of_event(value: bytes) -> bool:
    return len(value) >= 2 * _ID  # words are shorter
