"""What a record of `touched` says: why its profile is looked at, what changed, since when.

Either an event did: its id, its subject, its origin, and marks of what it changed. Or something
else: a word for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cdp import origins
from cdp.events import ProfileId, SubjectId
from cdp.log.store import Record
from cdp.origins import TIMES, TRACE, Origin

TIMER = b"timer"  # the word for time alone
CORRECTION = b"correction"  # in the place of an event's id
_NOTHING: frozenset[bytes] = frozenset()
_ID = 16  # bytes of an event's id, and of a subject's
_MARK = 4  # bytes that stand for something that changed, see `Profiles.changed`
_MOST = 32  # marks in a record
_TRACED, _PLAIN = b"\1", b"\0"  # the end of a record with marks: whether a trace lies before them


def packed(
    event_id: bytes, subject: SubjectId, origin: Origin | None, changed: Collection[bytes]
) -> bytes:
    """The value of a record that events cause, or that of events which were corrected.

    `changed` are marks of what may be other now; without any, anything may be.
    """
    if event_id == CORRECTION:
        return CORRECTION
    value = event_id + subject + origins.packed(origin)
    if origin is None or not 0 < len(changed) <= _MOST:
        return value
    return value + b"".join(sorted(changed)) + (_TRACED if origin.trace else _PLAIN)


def cause(value: bytes) -> str:
    """Why a profile is looked at: an event's id, or a word for what else made us."""
    return value[:_ID].hex() if _is_of_event(value) else value.decode()


def subject(touched: Record) -> SubjectId:
    """Whose event touched the profile; a profile's id is its earliest identifier."""
    value = touched.value
    return value[_ID : 2 * _ID] if _is_of_event(value) else touched.key


def origin(value: bytes) -> Origin | None:
    """What the event was, for measures and traces."""
    return origins.unpacked(value[2 * _ID : _end(value)]) if _is_of_event(value) else None


def changed(value: bytes) -> frozenset[bytes] | None:
    """Marks of what may be other now; None where anything may be."""
    if value == TIMER:
        return _NOTHING
    if not _is_of_event(value) or not _is_marked(value):
        return None
    return frozenset(value[at : at + _MARK] for at in range(_end(value), len(value) - 1, _MARK))


def changed_by_profile(records: Iterable[Record]) -> dict[ProfileId, frozenset[bytes]]:
    """Likewise, of profiles; without those of whom anything may be other."""
    found: dict[ProfileId, frozenset[bytes] | None] = {}
    for record in records:
        before, more = found.get(record.key, _NOTHING), changed(record.value)
        found[record.key] = None if before is None or more is None else before | more
    return {profile: each for profile, each in found.items() if each is not None}


def _is_of_event(value: bytes) -> bool:
    return len(value) >= 2 * _ID  # words are shorter


def _is_marked(value: bytes) -> bool:
    return len(value) % _MARK == 1


def _end(value: bytes) -> int:
    """Where the origin ends."""
    if not _is_marked(value):
        return len(value)
    return 2 * _ID + TIMES + (TRACE if value.endswith(_TRACED) else 0)
