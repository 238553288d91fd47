"""What is compared, how far that is, and who shares a key with whom: the SQL of matching."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named
from cdp.events import ProfileId
from identity.matching.fields import CROWD

PartId = bytes  # a profile as it would be without inferred links

_READ = named(
    """
    select version, spec, state, position, model, learned_at, created_at from matching
     order by version desc limit 1
    """
)
_PUT = named("insert into matching (spec, state) values (cast(:spec as json), :state)")
_ADVANCE = named(
    "update matching set state = :state, position = :position where version = :version"
)
_LEARNED = named(
    """
    update matching set state = 'filling', position = '', model = :model, learned_at = now()
     where version = :version
    """
)
_LEARN = named(
    """
    update matching set state = 'learning'
     where version = (select max(version) from matching) and state = 'watching'
    """
)
# Nobody waits for a lock here: a profile may be in it twice, and is looked at once.
_QUEUE = named(
    """
    insert into match_queue (profile) select unnest(cast(:profiles as bytea[]))
     where exists (select from matching)
    """
)
_FILL = named("select id from profiles where id > :after order by id limit :limit")
_TAKE = named(
    """
    delete from match_queue where number in
           (select number from match_queue order by number limit :limit)
    returning profile
    """
)
_COUNTS = named(
    """
    select (select count(*) from match_queue), (select count(distinct id) from match_keys),
           (select count(*) from inferences where probability > 0)
    """
)
_CLEAR_QUEUE = named("truncate match_queue")
_CLEAR_KEYS = named("truncate match_keys")
_FORGET = named(
    """
    delete from match_keys where id = any(:ids)
       and not (key, id) in (select * from unnest(cast(:keys as bytea[]), cast(:owners as bytea[])))
    """
)
_KEEP = named(
    """
    insert into match_keys (key, id)
    select * from unnest(cast(:keys as bytea[]), cast(:owners as bytea[])) u(k, i) order by k, i
    on conflict do nothing
    """
)
_SHARING = named(
    """
    select o.ids
      from (select distinct key from match_keys where id = any(:ids)) m
     cross join lateral (
        select array_agg(id) as ids from (
            select id from match_keys k where k.key = m.key limit :crowd + 1) x) o
     where cardinality(o.ids) between 2 and :crowd
    """
)
_DRAW = named("select id from match_keys group by id order by id limit :limit")


class Version(NamedTuple):
    """What is compared at present. `spec` None: nothing is."""

    version: int
    spec: dict[str, Any] | None
    state: str  # filling, collecting, learning or watching
    position: bytes
    model: bytes | None  # sealed
    learned_at: datetime | None
    created_at: datetime


class Counts(NamedTuple):
    """How many wait to be compared, can be compared, and are thought to be one."""

    waiting: int
    compared: int
    pairs: int


async def current(connection: Connection) -> Version | None:
    """The version that holds; None before there is any."""
    row = (await connection.execute(_READ)).first()
    return Version(*row) if row else None


async def put(connection: Connection, spec: Mapping[str, Any] | None) -> None:
    """A new version, to begin from the beginning; None switches matching off."""
    written = None if spec is None else msgspec.json.encode(spec).decode()
    state = "watching" if spec is None else "filling"
    await connection.execute(_CLEAR_KEYS)
    if spec is not None:  # everybody will be on it
        await connection.execute(_CLEAR_QUEUE)
    await connection.execute(_PUT, {"spec": written, "state": state})


async def advance(connection: Connection, version: Version) -> None:
    """Note how far it is."""
    values = {
        "version": version.version,
        "state": version.state,
        "position": version.position,
    }
    await connection.execute(_ADVANCE, values)


async def learned(connection: Connection, version: int, model: bytes) -> None:
    """Keep what was learned; everybody is compared by it from now on."""
    await connection.execute(_LEARNED, {"version": version, "model": model})


async def learn_again(connection: Connection) -> bool:
    """Ask for it; False where nothing has been learned yet or matching is off."""
    return bool((await connection.execute(_LEARN)).rowcount)


async def queue(connection: Connection, profiles: Collection[ProfileId]) -> None:
    """Note that these have changed, if anything was ever compared."""
    if profiles:
        await connection.execute(_QUEUE, {"profiles": list(profiles)})


async def fill(connection: Connection, after: bytes, limit: int) -> list[ProfileId]:
    """The next profiles of all there are."""
    rows = await connection.execute(_FILL, {"after": after, "limit": limit})
    return [row[0] for row in rows]


async def take(connection: Connection, limit: int) -> set[ProfileId]:
    """The profiles that have waited longest."""
    return {row[0] for row in await connection.execute(_TAKE, {"limit": limit})}


async def counts(connection: Connection) -> Counts:
    """How much there is of it."""
    return Counts(*(await connection.execute(_COUNTS)).one())


async def keep(
    connection: Connection, keys: Mapping[PartId, Sequence[bytes]], gone: Collection[PartId]
) -> None:
    """Keep these keys of these parts and no others; those of who is gone are forgotten."""
    pairs = [(key, part) for part, every in keys.items() for key in every]
    values = {"keys": [key for key, _ in pairs], "owners": [part for _, part in pairs]}
    await connection.execute(_FORGET, values | {"ids": [*keys, *gone]})
    await connection.execute(_KEEP, values)


async def sharing(connection: Connection, parts: Collection[PartId]) -> set[tuple[PartId, PartId]]:
    """Pairs of one of these parts and another that has a key in common with it, a < b."""
    mine = set(parts)
    rows = await connection.execute(_SHARING, {"ids": list(parts), "crowd": CROWD})
    return {
        (part, other) if part < other else (other, part)
        for (ids,) in rows
        for part in ids
        if part in mine
        for other in ids
        if other != part
    }


async def draw(connection: Connection, limit: int) -> list[PartId]:
    """So many parts at random: their ids are hashes."""
    return [row[0] for row in await connection.execute(_DRAW, {"limit": limit})]
