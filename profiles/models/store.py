"""Models as a resource: their SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named
from cdp.events import Instant, ProfileId
from profiles import defining
from profiles.learning import features

_FIELDS = ", ".join(
    (
        "id, key, kind, name, purpose, wanted, active, version, due, fit, position",
        "created_at, updated_at",
        "(select b.state from builds b where b.id = d.build)",
        defining.PROGRESS,
    )
)
_ALL = named(f"select {_FIELDS} from models d order by key")  # noqa: S608 - our own constant
_ONE = named(f"select {_FIELDS} from models d where key = :key")  # noqa: S608
_PUT = named(
    """
    insert into models (key, kind, name, purpose, wanted, build, version, due)
    values (:key, :kind, :name, :purpose, cast(:wanted as json), :build, :version, 0)
    on conflict (key) do update
       set kind = excluded.kind, name = excluded.name, purpose = excluded.purpose,
           wanted = excluded.wanted, build = excluded.build, version = excluded.version, due = 0,
           updated_at = now()
    """
)
_RENAME = named("update models set name = :name, updated_at = now() where key = :key")
_DELETE = named("delete from models where key = :key returning id")
_DROP_FITS = named("delete from model_fits where model = :id")
_ASK = named("update models set due = 0 where key = :key")
_DUE = named(
    f"""
    select {_FIELDS} from models d
     where due <= :now and active is not null
       and (select state from builds b where b.id = d.build) <> 'counting'
     order by due, id limit 1
    """  # noqa: S608
)
_PUT_OFF = named("update models set due = :due where id = :id")
_LATER = named("update models set due = :due where id = :id and due <> 0")
_ADOPT = named("update models set fit = :fit, position = '' where id = :id")
_FILLING = named(
    f"select {_FIELDS} from models d where position is not null order by id limit 1"  # noqa: S608
)
_ADVANCE = named("update models set position = :position where id = :id and fit = :fit")
_QUEUE = named(
    """
    insert into score_queue (profile) select unnest(cast(:profiles as bytea[]))
     where exists (select from models where fit is not null)
    """
)
_TAKE = named(
    """
    delete from score_queue where number in
           (select number from score_queue order by number limit :limit)
    returning profile
    """
)
_PROFILES = named("select id from profiles where id > :after order by id limit :limit")


class Model(NamedTuple):
    """A model as people see it; until its build is done, it is fitted as it was before.

    `fit` is the version that people are scored by, `position` how far that went through everybody.
    """

    id: int
    key: str
    kind: str
    name: str
    purpose: str
    wanted: dict[str, Any]
    active: dict[str, Any] | None
    version: int
    due: Instant
    fit: int | None
    position: bytes | None
    created_at: datetime
    updated_at: datetime
    build_state: str  # counting, touching or done
    progress: float  # of the build, 0 to 1


async def listed(connection: Connection) -> list[Model]:
    """Every model, by key."""
    return [Model(*row) for row in await connection.execute(_ALL)]


async def find(connection: Connection, key: str) -> Model | None:
    """One model."""
    row = (await connection.execute(_ONE, {"key": key})).first()
    return Model(*row) if row else None


async def put(
    connection: Connection, key: str, name: str, purpose: str, definition: Mapping[str, Any]
) -> None:
    """Create or change a model; what changes it starts a build, and then it is fitted anew."""
    await defining.bump(connection)
    known = await find(connection, key)
    if known and known.wanted == definition and known.purpose == purpose:
        await connection.execute(_RENAME, {"key": key, "name": name})
        return
    needed = features.counters(definition)
    build = await defining.start_build(connection, f"model {key}", needed)
    version = await defining.keep_version(
        connection, kind="model", key=key, name=name, purpose=purpose, definition=definition
    )
    values = {"key": key, "kind": definition["kind"], "name": name, "purpose": purpose}
    values |= {"wanted": msgspec.json.encode(definition).decode()}
    await connection.execute(_PUT, {**values, "build": build, "version": version})


async def delete(connection: Connection, key: str) -> bool:
    """Remove a model and what it learned; False if there is none."""
    await defining.bump(connection)
    row = (await connection.execute(_DELETE, {"key": key})).first()
    if row is None:
        return False
    await connection.execute(_DROP_FITS, {"id": row[0]})
    await defining.drop_unused_counters(connection)
    return True


async def ask(connection: Connection, key: str) -> None:
    """It is to be fitted now."""
    await connection.execute(_ASK, {"key": key})


async def due(connection: Connection, now: Instant) -> Model | None:
    """The model that is to be fitted next, if its counters are complete."""
    row = (await connection.execute(_DUE, {"now": now})).first()
    return Model(*row) if row else None


async def put_off(connection: Connection, model: int, due: Instant) -> None:
    """Fit it then."""
    await connection.execute(_PUT_OFF, {"id": model, "due": due})


async def later(connection: Connection, model: int, due: Instant) -> None:
    """Likewise, unless it is asked for now."""
    await connection.execute(_LATER, {"id": model, "due": due})


async def adopt(connection: Connection, model: int, fit: int) -> None:
    """Score everybody by a fit."""
    await connection.execute(_ADOPT, {"id": model, "fit": fit})


async def filling(connection: Connection) -> Model | None:
    """A model by whose last fit not everybody is scored yet."""
    row = (await connection.execute(_FILLING)).first()
    return Model(*row) if row else None


async def advance(connection: Connection, model: Model, position: bytes | None) -> None:
    """Everybody up to there is scored; None: everybody."""
    values = {"id": model.id, "fit": model.fit, "position": position}
    await connection.execute(_ADVANCE, values)


async def queue(connection: Connection, profiles: Collection[ProfileId]) -> None:
    """These people have changed: they are to be scored, if there is anything to do it by."""
    await connection.execute(_QUEUE, {"profiles": list(profiles)})


async def take(connection: Connection, limit: int) -> list[ProfileId]:
    """Those who have waited longest; each is handed out once."""
    rows = await connection.execute(_TAKE, {"limit": limit})
    return sorted({row[0] for row in rows})


async def page(connection: Connection, after: bytes, limit: int) -> Sequence[ProfileId]:
    """Everybody, a page at a time. Ids are hashes: the first of them are a sample."""
    rows = await connection.execute(_PROFILES, {"after": after, "limit": limit})
    return [row[0] for row in rows]
