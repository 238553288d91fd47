"""Takes somebody out of every projection: what is left is what the log says without them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import identity.store as identity_store
import profiles.store as profile_store
from cdp.db import Connection, named
from cdp.errors import Conflict
from cdp.events import Instant, ProfileId, SubjectId
from cdp.log import erasures
from cdp.log.keyring import Keyring
from identity.graph import NodeId
from identity.rulebook import RuleBook
from identity.settling import Settling
from identity.verdicts import Move
from profiles import carrying
from profiles.fragment import Fragment

# An edge goes with its evidence; a spelling is evidence of nobody's.
_EDGES = named(
    """
    delete from edges where (a, b, kind) in (
        select i.a, i.b, i.kind from edges i left join events e on e.id = i.event
         where (i.a = any(:subjects) or i.b = any(:subjects))
           and (e.subject is null or e.subject = any(:subjects)))
    returning a, b
    """
)
_SAID = """
    delete from {table} x using events e
     where e.id = x.event and e.subject = any(:subjects)
       and (x.a = any(:subjects) or x.b = any(:subjects))
    returning x.a, x.b
"""
_LINKS = {
    "edges": _EDGES,
    "verdicts": named(_SAID.format(table="verdicts")),
    "inferences": named(_SAID.format(table="inferences")),
}
_COMPONENTS = named("select distinct component from nodes where id = any(:nodes)")
_NODES = named(
    """
    delete from nodes n where id = any(:nodes)
       and (id = any(:subjects) or not exists (select from fragments where subject = n.id))
       and not exists (select from edges where a = n.id)
       and not exists (select from edges where b = n.id)
    """
)
# What others' events name, or are of, was first seen in these.
_OLDEST = named(
    """
    update nodes n set first_seen = least(u.own, e.first_seen)
      from unnest(cast(:nodes as bytea[]), cast(:own as bigint[])) u(id, own),
           lateral (select min(first_seen) as first_seen from edges
                     where a = u.id or b = u.id) e
     where n.id = u.id and least(u.own, e.first_seen) is not null
    """
)
_LEFT = named("select distinct component from nodes where component = any(:components)")
_LIVING = named("select distinct profile from nodes where profile = any(:subjects)")
_LOCK_FRAGMENTS = named(
    "select from fragments where subject = any(:subjects) order by subject for update"
)
_OF_SUBJECTS = {
    table: named(f"delete from {table} where subject = any(:subjects)")  # noqa: S608 - our own names
    for table in ("fragments", "decisions", "seen_in")
}
_OF_PROFILES = {
    table: named(f"delete from {table} where {column} = any(:profiles)")  # noqa: S608
    for table, column in (("profiles", "id"), ("memberships", "profile"))
}


# Fragments of these subjects, as far as there are any and their keys exist.
Opening: TypeAlias = Callable[
    [Connection, Iterable[SubjectId]], Awaitable[Mapping[SubjectId, Fragment]]
]


class Removed(NamedTuple):
    """Rows by table; the profiles that others are of now and were not; and segments left."""

    rows: dict[str, int]
    moves: list[Move]
    moved: set[ProfileId]
    left: list[tuple[ProfileId, int]]


async def remove(
    connection: Connection, subjects: Sequence[SubjectId], opening: Opening, at: Instant | None
) -> Removed:
    """Take these subjects out, and settle anew what they held together. Locks the graph.

    Whoever was joined with them by likeness, or shares an identifier with them, stays. The
    ledger says so as of an instant; None: not in a replay, whose memberships are not live.
    """
    await identity_store.lock(connection)
    ours = {"subjects": list(subjects)}
    removed: dict[str, int] = {}
    around = set(subjects)
    for table, statement in _LINKS.items():
        gone = (await connection.execute(statement, ours)).all()
        removed[table] = len(gone)
        around.update(end for pair in gone for end in pair)
    rows = await connection.execute(_COMPONENTS, {"nodes": list(around)})
    components = [row[0] for row in rows]
    nodes = {**ours, "nodes": list(around)}  # what only they named has no word of anybody's left
    removed["nodes"] = (await connection.execute(_NODES, nodes)).rowcount
    await _age(connection, around, set(subjects), opening)
    settling = await _settled(connection, components)
    moves = settling.moves
    await carrying.split(connection, [(each.former, each.profile) for each in moves], at)
    living = {row[0] for row in await connection.execute(_LIVING, ours)}
    ended = [each for each in subjects if each not in living]
    left = await profile_store.memberships(connection, ended)
    await connection.execute(_LOCK_FRAGMENTS, ours)
    for table, statement in _OF_SUBJECTS.items():
        removed[table] = (await connection.execute(statement, ours)).rowcount
    for table, statement in _OF_PROFILES.items():
        removed[table] = (await connection.execute(statement, {"profiles": ended})).rowcount
    mine = set(ended)
    others = [each for each in moves if mine.isdisjoint(each[:2])]
    exits = [(each.profile, each.segment) for each in left if not each.carried]
    return Removed(removed, others, settling.moved | living, exits)


async def _age(
    connection: Connection, nodes: Collection[NodeId], gone: Collection[NodeId], opening: Opening
) -> None:
    """When what is left was first seen, by what is left."""
    mine = await opening(connection, [each for each in nodes if each not in gone])
    own = {node: each.first_seen for node, each in mine.items()}
    values = {"nodes": list(nodes), "own": [own.get(node) for node in nodes]}
    await connection.execute(_OLDEST, values)


async def leave_out(connection: Connection, keyring: Keyring, known: int, opening: Opening) -> None:
    """Out of a replay with whom was erased since so many erasures: it may have read of them.

    Conflict if they came back: what they did since was perhaps read too, and would go with it.
    """
    gone = (await erasures.since(connection, known)).subjects
    await keyring.renew(connection)
    if await keyring.load(connection, gone):
        raise Conflict("somebody was erased meanwhile, and came back: replay again")
    if gone:
        await remove(connection, gone, opening, None)


async def _settled(connection: Connection, components: Sequence[bytes]) -> Settling:
    """Who the others are now that were linked with them."""
    settling = Settling(connection, await RuleBook().refresh(connection), ())
    rows = await connection.execute(_LEFT, {"components": list(components)})
    if left := [row[0] for row in rows]:
        await settling.exactly(dict.fromkeys(left, b""))
    return settling
