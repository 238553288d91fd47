"""What was learned each time a model was fitted: its SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from cdp.db import Connection, named

KEPT = 50  # fits of a model

_FIELDS = "id, model, version, state, people, content, error, started_at, finished_at"
_BEGIN = named(
    """
    insert into model_fits (model, version, state)
    select :model, coalesce(max(version), 0) + 1, 'gathering' from model_fits where model = :model
    returning id, version
    """
)
_INTERRUPTED = named(
    """
    update model_fits set state = 'failed', finished_at = now(),
           error = 'the process that fitted it ended'
     where model = :model and state not in ('done', 'kept', 'failed')
    """
)
_GATHERED = named("update model_fits set people = :people, state = :state where id = :id")
_FINISH = named(
    """
    update model_fits set state = :state, content = :content, error = :error, people = :people,
           finished_at = now() where id = :id
    """
)
_ALL = named(
    f"select {_FIELDS} from model_fits where model = :model"  # noqa: S608
    " order by version desc limit :limit"
)
_ONE = named(
    f"select {_FIELDS} from model_fits where model = :model and version = :version"  # noqa: S608
)
_LATEST = named(
    f"select {_FIELDS} from model_fits where model = :model"  # noqa: S608
    " and content is not null order by version desc limit 1"
)
_FORGET = named(
    """
    delete from model_fits f using models m
     where f.model = :model and m.id = f.model and f.version <= :version
       and f.version is distinct from m.fit
    """
)


Ended: TypeAlias = Literal["done", "kept", "failed"]


class Fit(NamedTuple):
    """A time a model was fitted; `content` is sealed, see `sealed_as`."""

    id: int
    model: int
    version: int
    state: str  # gathering, learning, or as it ended
    people: int
    content: bytes | None
    error: str
    started_at: datetime
    finished_at: datetime | None


class Begun(NamedTuple):
    """A fit that has begun."""

    id: int
    version: int


def sealed_as(fit: int) -> bytes:
    """What the content of a fit is bound to when it is sealed."""
    return b"model fit %d" % fit


async def begin(connection: Connection, model: int) -> Begun:
    """Note that one begins. One that never ended has failed."""
    await connection.execute(_INTERRUPTED, {"model": model})
    row = (await connection.execute(_BEGIN, {"model": model})).one()
    await connection.execute(_FORGET, {"model": model, "version": row[1] - KEPT})
    return Begun(*row)


async def note(connection: Connection, fit: int, people: int, state: str = "gathering") -> None:
    """How many people have been looked at so far."""
    await connection.execute(_GATHERED, {"id": fit, "people": people, "state": state})


async def finish(
    connection: Connection,
    fit: int,
    state: Ended,
    *,
    people: int,
    content: bytes | None = None,
    error: str = "",
) -> None:
    """Something was learned, or what there was is kept, or it has failed with an error."""
    values = {"id": fit, "content": content, "error": error, "people": people, "state": state}
    await connection.execute(_FINISH, values)


async def listed(connection: Connection, model: int, limit: int = KEPT) -> list[Fit]:
    """The fits that are kept, the latest first."""
    rows = await connection.execute(_ALL, {"model": model, "limit": limit})
    return [Fit(*row) for row in rows]


async def find(connection: Connection, model: int, version: int) -> Fit | None:
    """One fit."""
    row = (await connection.execute(_ONE, {"model": model, "version": version})).first()
    return Fit(*row) if row else None


async def latest(connection: Connection, model: int) -> Fit | None:
    """The last one that came to something: it learned, or found that what there was holds."""
    row = (await connection.execute(_LATEST, {"model": model})).first()
    return Fit(*row) if row else None
