"""The suppression list's SQL: entries are keyed hashes, and every change of it has a number.

A process that knows the list up to a number learns the rest by asking for what comes after; the
log takes nothing from one that does not know all of it (`append_allowed`, among the migrations).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import SubjectId

BOUNCED = "bounced"

# Who changes the list waits for whoever else does: so numbers become visible in order.
_LOCK = named("lock table suppressions in share row exclusive mode")
_SUPPRESS = named(
    """
    insert into suppressions (subject, number, because)
    select s, (select coalesce(max(number), 0) from suppressions) + row_number() over (order by s),
           :because
      from (select distinct unnest(cast(:subjects as bytea[])) as s) u
     where not exists (select from suppressions k where k.subject = s and not k.lifted
                                                    and k.because in ('', :because))
    on conflict (subject) do update
       set number = excluded.number, because = excluded.because, lifted = false, at = now()
    """
)
_UNSUPPRESS = named(
    """
    update suppressions k set lifted = true, at = now(), number = u.number
      from (select subject, (select max(number) from suppressions)
                            + row_number() over (order by subject) as number
              from suppressions where not lifted and subject = any(:subjects)) u
     where k.subject = u.subject
    """
)
_AMONG = named(
    "select subject from suppressions where not lifted and subject = any(array(select unnest("
    "cast(:subjects as bytea[]))))"
)
_BOUNCED = named(
    "select subject from suppressions where not lifted and because = :because"
    " and subject = any(:subjects)"
)
_SINCE = named(
    """
    select (select max(number) from suppressions),
           coalesce(string_agg(subject, '') filter (where not lifted), ''),
           coalesce(string_agg(subject, '') filter (where lifted), '')
      from suppressions
     where number > :number and number <= cast(:number as bigint) + cast(:most as bigint)
    """
)


class Changes(NamedTuple):
    """Entries that are new in the list or were lifted, up to a number; each stands there once."""

    number: int
    suppressed: bytes  # 16 for each, one after the other
    lifted: bytes


async def suppress(
    connection: Connection, subjects: Collection[SubjectId], because: str = ""
) -> int:
    """Refuse what names one of these identifiers from the commit on; returns how many are new.

    Nothing that arrives after the commit is stored, by whichever process. What is stored already
    stays: to destroy it is an erasure. BOUNCED is only an address that does not work.
    """
    if not subjects:
        return 0
    await connection.execute(_LOCK)
    values = {"subjects": list(subjects), "because": because}
    return (await connection.execute(_SUPPRESS, values)).rowcount


async def unsuppress(connection: Connection, subjects: Collection[SubjectId]) -> int:
    """Take what names these identifiers again; returns how many were suppressed."""
    if not subjects:
        return 0
    await connection.execute(_LOCK)
    return (await connection.execute(_UNSUPPRESS, {"subjects": list(subjects)})).rowcount


async def among(connection: Connection, subjects: Collection[SubjectId]) -> set[SubjectId]:
    """Those of these identifiers that are suppressed."""
    rows = await connection.execute(_AMONG, {"subjects": list(subjects)})
    return {row[0] for row in rows}


async def bounced(connection: Connection, subjects: Collection[SubjectId]) -> set[SubjectId]:
    """Those of these that are suppressed for nothing but that they bounced."""
    rows = await connection.execute(_BOUNCED, {"subjects": list(subjects), "because": BOUNCED})
    return {row[0] for row in rows}


async def since(connection: Connection, number: int, most: int) -> Changes | None:
    """The next changes after the one with this number, at most so many; None if there are none."""
    row = (await connection.execute(_SINCE, {"number": number, "most": most})).one()
    last = row[0] or 0
    return Changes(min(last, number + most), row[1], row[2]) if last > number else None
