"""What is defined over profiles, and the builds that bring it in.

Segments, computed traits and models share them. Who changes a definition bumps `definitions` first,
so that nobody evaluates half of a change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named
from profiles import keeping
from profiles.facts import numbered
from profiles.language.conditions import asked, counters
from profiles.language.counters import Counter
from profiles.language.parsing import Known, measure, parse, references
from profiles.learning import features
from profiles.model import Computed, Definition

_LIVE = named("select id, key, purpose, active from segments where active is not null order by id")
_COMPUTED = named(
    "select key, purpose, active from computed_traits where active is not null order by key"
)
_DEFINED = named(
    """
    select 'segment', key, wanted, active from segments union all
    select 'computed', key, wanted, active from computed_traits union all
    select 'model', key, wanted, active from models
    """
)
# How much of the build of a definition, named `d`, is done, 0 to 1: counting is half, looking at
# everybody the other; their ids are hashes, so the first byte of the last tells how far that is.
PROGRESS = (
    "(select case b.state when 'done' then 1.0"
    " when 'touching' then 0.5 + get_byte(b.touched_to || '\\x00'::bytea, 0) / 512.0"
    " else coalesce((select 0.5 * sum(p.done) / nullif(sum(p.since), 0)"
    " from build_partitions p where p.build = b.id), 0) end"
    " from builds b where b.id = d.build)"
)
_SHARE = named("select version, watched from definitions for share")
_BUMP = named("update definitions set version = version + 1")
_HOLD = named("select version from definitions for update")
_ADD_BUILD = named("insert into builds (reason) values (:reason) returning id")
_ACTIVATE_SEGMENTS = named("update segments set active = wanted where build = :build")
_ACTIVATE_COMPUTED = named("update computed_traits set active = wanted where build = :build")
_ACTIVATE_MODELS = named("update models set active = wanted where build = :build")
_MODELS = named("select key, id from models")
_KEEP_VERSION = named(
    """
    insert into versions (kind, key, version, name, purpose, definition)
    select :kind, :key, coalesce(max(version), 0) + 1, :name, :purpose, cast(:definition as json)
      from versions where kind = :kind and key = :key
    returning version
    """
)
_VERSIONS = named(
    """
    select version, name, purpose, definition, made_at from versions
     where kind = :kind and key = :key order by version desc
    """
)


class Version(NamedTuple):
    """A definition as it was wanted from some time on."""

    version: int
    name: str
    purpose: str
    definition: dict[str, Any]
    made_at: datetime


async def start_build(connection: Connection, reason: str, needed: Iterable[Counter] = ()) -> int:
    """Note that all of history is to be looked at again, for these counters as far as new."""
    build: int = (await connection.execute(_ADD_BUILD, {"reason": reason})).scalar_one()
    await keeping.add(connection, build, needed)
    return build


async def bump(connection: Connection) -> None:
    """Take the definitions for oneself until the transaction ends, and mark them as changed."""
    await connection.execute(_BUMP)


async def hold(connection: Connection) -> None:
    """Let the evaluations end that are under way, and none begin until the transaction ends."""
    await connection.execute(_HOLD)


async def share(connection: Connection) -> tuple[int, bool]:
    """The definitions' version, and whether anybody is to hear when computed traits change.

    They hold still until the caller's transaction ends.
    """
    row = (await connection.execute(_SHARE)).one()
    return row[0], row[1]


async def keep_version(
    connection: Connection,
    *,
    kind: str,
    key: str,
    name: str,
    purpose: str,
    definition: Mapping[str, Any],
) -> int:
    """Note what is wanted from now on; returns the number of its version."""
    values = {"kind": kind, "key": key, "name": name, "purpose": purpose}
    values["definition"] = msgspec.json.encode(definition).decode()
    version: int = (await connection.execute(_KEEP_VERSION, values)).scalar_one()
    return version


async def versions(connection: Connection, kind: str, key: str) -> list[Version]:
    """What a definition was and is, the latest first; also of one that was deleted."""
    rows = await connection.execute(_VERSIONS, {"kind": kind, "key": key})
    return [Version(*row) for row in rows]


async def activate(connection: Connection, build: int) -> None:
    """A build's counters are complete: what was wanted is evaluated from now on."""
    await connection.execute(_BUMP)
    await connection.execute(_ACTIVATE_SEGMENTS, {"build": build})
    await connection.execute(_ACTIVATE_COMPUTED, {"build": build})
    await connection.execute(_ACTIVATE_MODELS, {"build": build})
    await drop_unused_counters(connection)


async def drop_unused_counters(connection: Connection) -> None:
    """Forget counters that no definition, active or wanted, asks for."""
    needed: set[Counter] = set()
    for kind, _, *definitions_ in await connection.execute(_DEFINED):
        for each in definitions_:
            if each is not None:
                needed |= set(_NEEDED[kind](each))
    await keeping.keep_only(connection, needed)


_NEEDED: Mapping[str, Callable[[Mapping[str, Any]], Iterable[Counter]]] = {
    "segment": lambda where: counters(parse(where)),
    "computed": lambda value: asked(measure(value)),
    "model": features.counters,
}


async def referring(connection: Connection, kind: str, key: str) -> list[tuple[str, str]]:
    """The kind and key of what refers to this one by its definition, active or wanted."""
    found = {
        (what, name)
        for what, name, *definitions_ in await connection.execute(_DEFINED)
        for each in definitions_
        if each is not None and (kind, key) in _referred(what, each)
    }
    return sorted(found)


def _referred(kind: str, definition: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if kind == "segment":
        return references(definition)
    return [("model", definition["predicted"])] if "predicted" in definition else []


async def wanted(connection: Connection) -> dict[tuple[str, str], dict[str, Any]]:
    """What is wanted, by kind and key."""
    return {(row[0], row[1]): row[2] for row in await connection.execute(_DEFINED)}


async def definitions(connection: Connection) -> list[Definition]:
    """The segments that are evaluated now."""
    rows = (await connection.execute(_LIVE)).all()
    known = await _known(connection, ((key, purpose, where) for _, key, purpose, where in rows))
    return [Definition(row[0], row[1], row[2], parse(row[3], known)) for row in rows]


async def known(connection: Connection) -> Known:
    """What definitions may refer to, as it is evaluated now."""
    rows = await connection.execute(_LIVE)
    return await _known(connection, (tuple(row[1:]) for row in rows))


async def _known(connection: Connection, live: Iterable[Sequence[Any]]) -> Known:
    computed_ = {key: value for key, _, value in await connection.execute(_COMPUTED)}
    return Known({key: (purpose, where) for key, purpose, where in live}, computed_)


async def computed(connection: Connection) -> list[Computed]:
    """The computed traits that are shown now."""
    rows = await connection.execute(_COMPUTED)
    return [Computed(key, purpose, measure(value)) for key, purpose, value in rows]


async def numbers(connection: Connection) -> dict[str, str]:
    """Under which number each counter and each model is in fragments."""
    found = {each.counter.key: str(each.id) for each in await keeping.kept(connection)}
    return found | await models(connection)


async def models(connection: Connection) -> dict[str, str]:
    """Likewise of models alone."""
    return {numbered(key): str(number) for key, number in await connection.execute(_MODELS)}
