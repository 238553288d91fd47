"""The rules as they are stored, version after version, what they mark, and trials: their SQL."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from cdp.db import Connection, named
from identity.graph import NodeId
from identity.identifiers import Kind
from identity.rules import Rules

_CURRENT = named("select max(version) from identity_rules")
_READ = named(
    "select version, rules, state, created_at from identity_rules order by version desc limit 1"
)
_PUT = named("insert into identity_rules (rules) values (cast(:rules as json)) returning version")
_OPEN = named(
    """
    select version, state, position from identity_rules
     where state <> 'done' and version = (select max(version) from identity_rules)
    """
)
_ADVANCE = named(
    """
    update identity_rules set state = :state, position = :position where version = :version
    """
)
_RETIRE = named("update identity_rules set state = 'done' where state <> 'done'")
# A component may not be called by a node that goes.
_RENAME = named(
    """
    with homes as (
        select component, min(id) filter (where namespace not like '~%') as real from nodes
         where component in (select id from nodes where namespace like '~%') group by 1)
    update nodes n set component = h.real from homes h
     where n.component = h.component and h.real is not null
    """
)
_FORGET_LINKS = named("delete from edges where kind = :kind")
_FORGET_NODES = named("delete from nodes where namespace like '~%'")
_TRY = named(
    """
    insert into identity_trials (id, rules, total)
    values (:id, cast(:rules as json), (select count(*) from nodes))
    """
)
_TRIAL = named("select id, rules, state, done, total, result from identity_trials where id = :id")
_NEXT_TRIAL = named(
    """
    select id, rules, state, done, total, result from identity_trials
     where state <> 'done' order by created_at limit 1
    """
)
_TRIED = named(
    """
    update identity_trials set state = :state, done = :done, result = :result
     where id = :id
    """
)

_BLOCK = named("update nodes set flags = flags | 1 where id = any(:ids) and flags & 1 = 0")
_FREE = named("update nodes set flags = flags & ~1 where id = any(:ids) and flags & 1 <> 0")
_FREE_ALL = named("update nodes set flags = flags & ~1 where flags & 1 <> 0")


class Version(NamedTuple):
    """The rules that hold, and whether all of the graph has met them."""

    version: int
    rules: dict[str, Any]
    state: str  # marking, settling or done
    created_at: Any


class Work(NamedTuple):
    """Rules on their way through the graph, and how far they are."""

    version: int
    state: str
    position: bytes


class Trial(NamedTuple):
    """Rules that are being tried, and what came of it."""

    id: uuid.UUID
    rules: dict[str, Any]
    state: str  # waiting, running or done
    done: int
    total: int
    result: bytes | None  # sealed, because it names people


class RuleBook:
    """The rules in force, read anew where their version has changed."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self._version = 0

    async def refresh(self, connection: Connection) -> Rules:
        """The rules in force, as the caller's transaction sees them."""
        version = (await connection.execute(_CURRENT)).scalar_one()
        if version is not None and version != self._version:
            row = (await connection.execute(_READ)).one()
            self.rules, self._version = read(row[1]), row[0]
        return self.rules

    async def has_changed(self, connection: Connection) -> bool:
        """Whether reading them anew brings other rules."""
        before = self._version
        await self.refresh(connection)
        return self._version != before


def read(written: dict[str, Any]) -> Rules:
    """Stored rules."""
    from identity.schema import RulesSchema, rules_of  # marshmallow, where any rules are stored

    return rules_of(RulesSchema().load(written))


async def current(connection: Connection) -> Version | None:
    """The version in force; None while the defaults are."""
    row = (await connection.execute(_READ)).first()
    return Version(*row) if row else None


async def put(connection: Connection, written: dict[str, Any]) -> int:
    """Put rules in force. What an older version had left to do, the new one does."""
    await connection.execute(_RETIRE)
    values = {"rules": msgspec.json.encode(written).decode()}
    return int((await connection.execute(_PUT, values)).scalar_one())


async def work(connection: Connection) -> Work | None:
    """What is left to do for the rules in force."""
    row = (await connection.execute(_OPEN)).first()
    return Work(*row) if row else None


async def advance(connection: Connection, work: Work) -> None:
    """Note how far they are."""
    await connection.execute(_ADVANCE, work._asdict())


async def try_out(connection: Connection, written: dict[str, Any]) -> uuid.UUID:
    """Ask for a trial."""
    trial = uuid.uuid4()
    values = {"id": trial, "rules": msgspec.json.encode(written).decode()}
    await connection.execute(_TRY, values)
    return trial


async def trial(connection: Connection, wanted: uuid.UUID) -> Trial | None:
    """One trial."""
    row = (await connection.execute(_TRIAL, {"id": wanted})).first()
    return Trial(*row) if row else None


async def next_trial(connection: Connection) -> Trial | None:
    """The one to work on."""
    row = (await connection.execute(_NEXT_TRIAL)).first()
    return Trial(*row) if row else None


async def tried(connection: Connection, trial: Trial) -> None:
    """Note how far a trial is, and what came of it."""
    values = {
        "id": trial.id,
        "state": trial.state,
        "done": trial.done,
        "result": trial.result,
    }
    await connection.execute(_TRIED, values)


async def mark(
    connection: Connection, blocked: Collection[NodeId], free: Collection[NodeId]
) -> None:
    """Note of these nodes whether a rule blocks them."""
    await connection.execute(_BLOCK, {"ids": list(blocked)})
    await connection.execute(_FREE, {"ids": list(free)})


async def forget_spellings(connection: Connection) -> None:
    """Take out of the graph what spellings came down to by former rules."""
    await connection.execute(_RENAME)
    await connection.execute(_FORGET_LINKS, {"kind": int(Kind.SPELLED)})
    await connection.execute(_FORGET_NODES)


async def unmark_all(connection: Connection) -> None:
    """No rule blocks anything."""
    await connection.execute(_FREE_ALL)
