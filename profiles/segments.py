"""Segments as a resource: their SQL, the counters they need, and builds that bring them in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named
from profiles.conditions import Counter, counter, counters, parse
from profiles.fragment import Counting, counting
from profiles.model import Definition

_FIELDS = (
    "id, key, name, purpose, wanted, active, build, version, created_at, updated_at, "
    "(select count(*) from memberships m where m.segment = s.id), "
    "(select b.state from builds b where b.id = s.build)"
)
_ALL = named(f"select {_FIELDS} from segments s order by key")  # noqa: S608 - our own constant
_ONE = named(f"select {_FIELDS} from segments s where key = :key")  # noqa: S608
_KEYS = named("select id, key from segments")
_LIVE = named("select id, key, purpose, active from segments where active is not null order by id")
_SHARE = named("select version from definitions for share")
_BUMP = named("update definitions set version = version + 1")
_PUT = named(
    """
    insert into segments (key, name, purpose, wanted, build)
    values (:key, :name, :purpose, cast(:wanted as json), :build)
    on conflict (key) do update
       set name = excluded.name, purpose = excluded.purpose, wanted = excluded.wanted,
           build = excluded.build, version = segments.version + 1, updated_at = now()
    """
)
_RENAME = named("update segments set name = :name, updated_at = now() where key = :key")
_DELETE = named("delete from segments where key = :key returning id")
_LEAVE = named("delete from memberships where segment = :segment")
_COUNTERS = named("select id, event, filters, newest, build from counters order by id")
_ADD_COUNTER = named(
    """
    insert into counters (build, event, filters, newest)
    values (:build, :event, cast(:filters as json), :newest)
    """
)
_DROP_COUNTERS = named("delete from counters where id = any(:ids)")
_ADD_BUILD = named("insert into builds (reason) values (:reason) returning id")
_KEPT = named(
    """
    select b.partition, c.id, c.event, c.filters, c.newest
      from counters c join build_partitions b using (build) where b.partition = any(:partitions)
     order by c.id
    """
)
_ACTIVATE = named(
    """
    update segments set active = wanted where build = :build
    """
)


class Segment(NamedTuple):
    """A segment as people see it. `active` is what is evaluated while `wanted` is being built."""

    id: int
    key: str
    name: str
    purpose: str
    wanted: dict[str, Any]
    active: dict[str, Any] | None
    build: int
    version: int
    created_at: datetime
    updated_at: datetime
    size: int
    build_state: str  # counting, touching or done


class Kept(NamedTuple):
    """A counter as it is stored, with the build that brought it in."""

    id: int
    counter: Counter
    build: int


async def listed(connection: Connection) -> list[Segment]:
    """Every segment, by key."""
    return [Segment(*row) for row in await connection.execute(_ALL)]


async def keys(connection: Connection) -> dict[int, str]:
    """The key of every segment, by its number."""
    return {row[0]: row[1] for row in await connection.execute(_KEYS)}


async def find(connection: Connection, key: str) -> Segment | None:
    """One segment."""
    row = (await connection.execute(_ONE, {"key": key})).first()
    return Segment(*row) if row else None


async def put(
    connection: Connection, key: str, name: str, purpose: str, where: Mapping[str, Any]
) -> bool:
    """Create or change a segment; True if that changes who is in it, which starts a build."""
    await connection.execute(_BUMP)
    known = await find(connection, key)
    if known and known.wanted == where and known.purpose == purpose:
        await connection.execute(_RENAME, {"key": key, "name": name})
        return False
    build = await start_build(connection, f"segment {key}", counters(parse(where)))
    wanted = msgspec.json.encode(where).decode()
    values = {"key": key, "name": name, "purpose": purpose, "wanted": wanted, "build": build}
    await connection.execute(_PUT, values)
    return True


async def delete(connection: Connection, key: str) -> bool:
    """Remove a segment and its memberships; the ledger of what was decided stays."""
    await connection.execute(_BUMP)
    row = (await connection.execute(_DELETE, {"key": key})).first()
    if row is None:
        return False
    await connection.execute(_LEAVE, {"segment": row[0]})
    await drop_unused_counters(connection)
    return True


async def start_build(connection: Connection, reason: str, needed: Iterable[Counter] = ()) -> int:
    """Note that all of history is to be looked at again, for these counters as far as new."""
    build: int = (await connection.execute(_ADD_BUILD, {"reason": reason})).scalar_one()
    known = {each.counter for each in await kept(connection)}
    for new in sorted(set(needed) - known):
        filters = msgspec.json.encode(msgspec.json.decode(new.key)["where"]).decode()
        values = {"event": new.event, "filters": filters, "newest": new.newest}
        await connection.execute(_ADD_COUNTER, {"build": build, **values})
    return build


async def bump(connection: Connection) -> None:
    """Take the definitions for oneself until the transaction ends, and mark them as changed."""
    await connection.execute(_BUMP)


async def activate(connection: Connection, build: int) -> None:
    """A build's counters are complete: what was wanted is evaluated from now on."""
    await connection.execute(_BUMP)
    await connection.execute(_ACTIVATE, {"build": build})
    await drop_unused_counters(connection)


async def drop_unused_counters(connection: Connection) -> None:
    """Forget counters that no definition, active or wanted, asks for."""
    needed: set[Counter] = set()
    for segment in await listed(connection):
        for where in (segment.wanted, segment.active):
            if where is not None:
                needed |= set(counters(parse(where)))
    unused = [each.id for each in await kept(connection) if each.counter not in needed]
    if unused:
        await connection.execute(_DROP_COUNTERS, {"ids": unused})


async def share(connection: Connection) -> int:
    """The definitions' version; they hold still until the caller's transaction ends."""
    version: int = (await connection.execute(_SHARE)).scalar_one()
    return version


async def definitions(connection: Connection) -> list[Definition]:
    """What is evaluated now."""
    rows = await connection.execute(_LIVE)
    return [Definition(number, key, purpose, parse(where)) for number, key, purpose, where in rows]


async def kept(connection: Connection) -> list[Kept]:
    """Every counter there is."""
    rows = await connection.execute(_COUNTERS)
    return [Kept(row[0], counter(*row[1:4]), row[4]) for row in rows]


async def counting_all(connection: Connection) -> Counting:
    """Every counter there is, for folding."""
    return counting((each.id, each.counter) for each in await kept(connection))


async def counting_by_partition(
    connection: Connection, partitions: Sequence[int]
) -> dict[int, Counting]:
    """The counters that the live agent maintains in each of these log partitions."""
    found: dict[int, list[tuple[int, Counter]]] = {partition: [] for partition in partitions}
    for partition, number, *fields in await connection.execute(
        _KEPT, {"partitions": list(partitions)}
    ):
        found[partition].append((number, counter(*fields)))
    return {partition: counting(each) for partition, each in found.items()}
