"""The SQL of fragments, profiles, memberships and the ledger of changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId, SubjectId

CHANGES = "changes"  # a head of its own gives the ledger dense offsets

# What the caller has under the same tag is not sent again.
_FRAGMENTS = """
    select f.subject, f.tag, case when f.tag is distinct from u.tag then f.data end
      from unnest(cast(:subjects as bytea[]), cast(:tags as bigint[])) u(subject, tag)
      join fragments f on f.subject = u.subject
"""
_READ_FRAGMENTS = named(_FRAGMENTS)
_LOCK_FRAGMENTS = named(_FRAGMENTS + " order by f.subject for update of f")
_PUT_FRAGMENTS = named(
    """
    insert into fragments (subject, tag, data)
    select * from unnest(cast(:subjects as bytea[]), cast(:tags as bigint[]),
                         cast(:data as bytea[]))
    on conflict (subject) do update set tag = excluded.tag, data = excluded.data
    """
)
_PUT_PROFILES = named(
    """
    insert into profiles (id, version, due)
    select id, :version, due
      from unnest(cast(:ids as bytea[]), cast(:dues as bigint[])) u(id, due)
    on conflict (id) do update set version = excluded.version, due = excluded.due
    """
)
_DROP_PROFILES = named("delete from profiles where id = any(:ids)")
_VERSIONS = named("select id, version from profiles where id = any(:ids)")
_MEMBERSHIPS = named(
    "select profile, segment, since, carried from memberships where profile = any(:profiles)"
)
_DROP_MEMBERSHIPS = named("delete from memberships where profile = any(:profiles)")
_PUT_MEMBERSHIPS = named(
    """
    insert into memberships (segment, profile, since)
    select * from unnest(cast(:segments as int[]), cast(:profiles as bytea[]),
                         cast(:since as bigint[]))
    """
)
_TAKE_OFFSETS = named(
    """
    update heads set next_offset = next_offset + :count
     where topic = :topic and partition = 0 returning next_offset - :count
    """
)
_RECORD = named(
    """
    insert into changes ("offset", segment, profile, entered, at, cause)
    select :base + ord - 1, s, p, e, a, c
      from unnest(cast(:segments as text[]), cast(:profiles as bytea[]), cast(:entered as bool[]),
                  cast(:ats as bigint[]), cast(:causes as text[]))
           with ordinality u(s, p, e, a, c, ord)
    """
)
_DUE = named(
    """
    update profiles set due = null
     where id in (select id from profiles where due <= :now order by due limit :limit
                     for update skip locked)
    returning id
    """
)
_NEXT_DUE = named("select min(due) from profiles where due is not null")
_COUNT = named("select count(*) from profiles")


class Stored(NamedTuple):
    """A sealed fragment, and the tag that tells this version of it from all others."""

    tag: int
    data: bytes | None


class Membership(NamedTuple):
    """A profile in a segment, since when; `carried` from a profile that it split off from."""

    profile: ProfileId
    segment: int
    since: Instant
    carried: bool = False


class Change(NamedTuple):
    """An entry or exit, decided once. `cause` is an event's id, `timer` or `definition`."""

    segment: str
    profile: ProfileId
    entered: bool
    at: Instant
    cause: str


class Recorded(NamedTuple):
    """A change and its place in the ledger."""

    offset: int
    change: Change


async def fragments(
    connection: Connection, tags: Mapping[SubjectId, int | None], *, lock: bool = False
) -> dict[SubjectId, Stored]:
    """Fragments, without the data of those that still have the tag that the caller knows.

    With `lock` they are locked in one order, so that two writers cannot deadlock.
    """
    statement = _LOCK_FRAGMENTS if lock else _READ_FRAGMENTS
    values = {"subjects": list(tags), "tags": list(tags.values())}
    rows = await connection.execute(statement, values)
    return {row[0]: Stored(row[1], row[2]) for row in rows}


async def put_fragments(connection: Connection, sealed: Mapping[SubjectId, Stored]) -> None:
    """Write sealed fragments."""
    subjects = sorted(sealed)
    values = {
        "subjects": subjects,
        "tags": [sealed[subject].tag for subject in subjects],
        "data": [sealed[subject].data for subject in subjects],
    }
    await connection.execute(_PUT_FRAGMENTS, values)


async def put_profiles(
    connection: Connection, dues: Mapping[ProfileId, Instant | None], version: int
) -> None:
    """Note that these profiles were evaluated as of `version`, and when they are due again."""
    ids = sorted(dues)
    values = {"ids": ids, "dues": [dues[each] for each in ids], "version": version}
    await connection.execute(_PUT_PROFILES, values)


async def drop_profiles(connection: Connection, ids: Collection[ProfileId]) -> None:
    """Remove profiles that have become part of another, or have nothing left."""
    if ids:
        await connection.execute(_DROP_PROFILES, {"ids": list(ids)})


async def versions(connection: Connection, ids: Collection[ProfileId]) -> dict[ProfileId, int]:
    """The version each profile was last evaluated at; a cached view is good if it has the same."""
    return {row[0]: row[1] for row in await connection.execute(_VERSIONS, {"ids": list(ids)})}


async def memberships(connection: Connection, profiles: Collection[ProfileId]) -> list[Membership]:
    """Every membership of these profiles."""
    rows = await connection.execute(_MEMBERSHIPS, {"profiles": list(profiles)})
    return [Membership(*row) for row in rows]


async def replace_memberships(
    connection: Connection, profiles: Collection[ProfileId], new: Sequence[Membership]
) -> None:
    """Make these the memberships of these profiles."""
    await connection.execute(_DROP_MEMBERSHIPS, {"profiles": list(profiles)})
    if new:
        values = {
            "segments": [each.segment for each in new],
            "profiles": [each.profile for each in new],
            "since": [each.since for each in new],
        }
        await connection.execute(_PUT_MEMBERSHIPS, values)


async def record(connection: Connection, changes: Iterable[Change]) -> list[Recorded]:
    """Write entries and exits to the ledger, with offsets that become visible in order."""
    rows = list(changes)
    if not rows:
        return []
    taken = await connection.execute(_TAKE_OFFSETS, {"topic": CHANGES, "count": len(rows)})
    base = taken.scalar_one()
    values = {
        "base": base,
        "segments": [row.segment for row in rows],
        "profiles": [row.profile for row in rows],
        "entered": [row.entered for row in rows],
        "ats": [row.at for row in rows],
        "causes": [row.cause for row in rows],
    }
    await connection.execute(_RECORD, values)
    return [Recorded(base + number, row) for number, row in enumerate(rows)]


async def take_due(connection: Connection, now: Instant, limit: int) -> list[ProfileId]:
    """Profiles whose memberships may have changed by time alone; each is handed out once."""
    return [row[0] for row in await connection.execute(_DUE, {"now": now, "limit": limit})]


async def next_due(connection: Connection) -> Instant | None:
    """The next instant at which a membership may change by time alone."""
    due: Instant | None = (await connection.execute(_NEXT_DUE)).scalar_one_or_none()
    return due


async def count(connection: Connection) -> int:
    """How many profiles there are."""
    return int((await connection.execute(_COUNT)).scalar_one())
