"""Erasures outlive a backup that knows nothing of them: kept as a list, and done again after it.

A line for each subject: when its keys were destroyed, and its keyed hash, which says nobody's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cdp import times
from cdp.db import Connection, Database
from cdp.errors import ConfigurationError
from cdp.events import Instant, SubjectId
from cdp.log import erasures
from cdp.privacy import store
from cdp.privacy.erasing import erase
from profiles.fragment import Fragment

_SUBJECT = 16  # bytes
_AT_ONCE = 1000  # subjects


class Erasure(NamedTuple):
    """Whose keys were destroyed, and when."""

    at: Instant
    subject: SubjectId


def written(found: Iterable[tuple[SubjectId, Instant]]) -> Iterator[str]:
    """Lines of the list."""
    for subject, at in found:
        yield f"{times.iso(at)} {subject.hex()}"


def read(text: str) -> list[Erasure]:
    """The list; ConfigurationError naming the line that is none of it."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        at, _, subject = line.strip().partition(" ")
        try:
            found.append(Erasure(times.parse(at), bytes.fromhex(subject)))
        except ValueError:
            found.append(Erasure(0, b""))
        if len(found[-1].subject) != _SUBJECT:
            raise ConfigurationError(
                f"line {number} of the list of erasures is not as `cdp privacy erasures` prints it"
            )
    return sorted(found)


async def reapply(database: Database, partitions: int, wanted: Sequence[Erasure]) -> int:
    """Erase whom a restored database does not know to be erased; returns how many subjects."""
    async with database.transaction() as connection:
        known = dict(await erasures.listed(connection))
        await store.await_anew(connection)
    new = [each for each in wanted if known.get(each.subject, -1) < each.at]
    for start in range(0, len(new), _AT_ONCE):
        some = new[start : start + _AT_ONCE]
        async with database.transaction() as connection:
            subjects = sorted({each.subject for each in some})
            at = max(each.at for each in some)
            await erase(connection, partitions, subjects, at, _nothing)
    return len(new)


async def _nothing(connection: Connection, subjects: Iterable[SubjectId]) -> dict[bytes, Fragment]:
    """What a restored database has of fragments before it is replayed."""
    return {}
