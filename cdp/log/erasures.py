"""Whose data keys were destroyed: told to all who hold keys, by a number that only grows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, SubjectId

UNKNOWN = -1  # what a process knows that has just started

_COUNT = named("select coalesce(max(number), 0) from erasures")
_SINCE = named("select subject, number from erasures where number > :known")
_NOTE = named(
    """
    insert into erasures (subject, number, at)
    select s, (select coalesce(max(number), 0) + 1 from erasures), :at
      from unnest(cast(:subjects as bytea[])) s
    on conflict (subject) do update set number = excluded.number, at = excluded.at
    """
)
_DESTROY = named("delete from subjects where id = any(:subjects)")
_TELL = named(
    "select pg_notify('cdp_subjects', encode(s, 'hex')) from unnest(cast(:subjects as bytea[])) s"
)
_LISTED = named("select subject, at from erasures order by at, subject")


class News(NamedTuple):
    """How many erasures there were, and whose keys were destroyed in those that were news."""

    total: int
    subjects: Sequence[SubjectId]


async def since(connection: Connection, known: int) -> News:
    """What is new to somebody who knows of so many."""
    if known == UNKNOWN:
        return News(int((await connection.execute(_COUNT)).scalar_one()), ())
    rows = (await connection.execute(_SINCE, {"known": known})).all()
    return News(max((row[1] for row in rows), default=known), [row[0] for row in rows])


async def destroy(connection: Connection, subjects: Collection[SubjectId], at: Instant) -> int:
    """Destroy these subjects' keys and tell everybody; returns how many there were.

    One erasure at a time: the caller holds what stops others (see `cdp.privacy.erasing`).
    """
    values = {"subjects": sorted(subjects)}
    destroyed = (await connection.execute(_DESTROY, values)).rowcount
    await connection.execute(_NOTE, {**values, "at": at})
    await connection.execute(_TELL, values)
    return destroyed


async def listed(connection: Connection) -> list[tuple[SubjectId, Instant]]:
    """Every subject whose keys were destroyed, and when that was last."""
    return [(row[0], row[1]) for row in await connection.execute(_LISTED)]
