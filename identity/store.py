"""The identity graph's SQL: nodes and edges as keyed hashes, profiles as a column of the nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from cdp.db import Connection, named
from cdp.events import ProfileId
from identity.graph import Edge, Node, NodeId

# What makes a node one to be looked at exactly.
BLOCKED = 1  # by a rule: it links nobody
SHARED = 2  # by strangers: it links nobody
BESIDE = 4  # linked with one of those, or an operator said something about it
HELD = 8  # at an end of a link that waits for a review
BARS = BLOCKED | SHARED

_LOCK = named("select pg_advisory_xact_lock(cast(cast('nodes' as regclass) as oid)::bigint)")
_NODES = named(
    "select id, namespace, first_seen, component, profile, flags from nodes where id = any(:ids)"
)
_EDGES = named(
    """
    select e.a, e.b, e.kind, e.first_seen, e.event
      from unnest(cast(:a as bytea[]), cast(:b as bytea[]), cast(:kinds as int[])) u(a, b, kind)
      join edges e on e.a = u.a and e.b = u.b and e.kind = u.kind
    """
)
_PUT_NODES = named(
    """
    insert into nodes (id, namespace, first_seen, component, profile, flags)
    select id, n, f, id, id, flags
      from unnest(cast(:ids as bytea[]), cast(:namespaces as text[]), cast(:seen as bigint[]),
                  cast(:flags as int[])) u(id, n, f, flags)
    on conflict (id) do update set first_seen = least(nodes.first_seen, excluded.first_seen)
    """
)
_PUT_EDGES = named(
    """
    insert into edges (a, b, kind, first_seen, event)
    select * from unnest(cast(:a as bytea[]), cast(:b as bytea[]), cast(:kinds as int[]),
                         cast(:seen as bigint[]), cast(:events as bytea[]))
    on conflict (a, b, kind) do update
       set first_seen = excluded.first_seen, event = excluded.event
     where (excluded.first_seen, excluded.event) < (edges.first_seen, edges.event)
    """
)
_ELDERS = named(
    """
    select distinct on (component, namespace)
           id, namespace, first_seen, component, profile, flags,
           count(*) over (partition by component, namespace),
           bool_or(flags <> 0) over (partition by component)
      from nodes where component = any(:components)
     order by component, namespace, first_seen, id
    """
)
_MEMBERS = named(
    """
    select id, namespace, first_seen, component, profile, flags from nodes
     where component = any(:components)
    """
)
# Out of a query, lest the planner look up each element, and with some thousands read all edges.
_INCIDENT_EDGES = named(
    """
    select a, b, kind, first_seen, event from edges
     where a = any(array(select unnest(cast(:ids as bytea[]))))
        or b = any(array(select unnest(cast(:ids as bytea[]))))
    """
)
_ASSIGN = named(
    """
    update nodes n set component = u.component, profile = u.profile, flags = u.flags
      from unnest(cast(:ids as bytea[]), cast(:components as bytea[]),
                  cast(:profiles as bytea[]), cast(:flags as int[]))
           u(id, component, profile, flags)
     where n.id = u.id
    """
)
_UNITE = named(
    """
    update nodes n set component = u.into_, profile = u.profile
      from unnest(cast(:components as bytea[]), cast(:into as bytea[]),
                  cast(:profiles as bytea[])) u(component, into_, profile)
     where n.component = u.component
    """
)
_SUSPECTS = named(
    """
    select id, namespace, first_seen, component, profile, flags from nodes
     where flags & 10 <> 0 and id > :after order by id limit :limit
    """
)
_PROFILES = named("select id, profile from nodes where id = any(:ids)")
_PROFILE_OF = named("select profile from nodes where id = :id")
_PROFILE_NODES = named(
    "select profile, array_agg(id) from nodes where profile = any(:profiles) group by profile"
)


class Placed(NamedTuple):
    """A node, the raw component it is in and the profile it resolves to."""

    node: Node
    component: bytes
    profile: ProfileId
    flags: int  # of BLOCKED, SHARED and BESIDE


class Elder(NamedTuple):
    """The earliest-seen node of its namespace in its raw component, and how many there are.

    `special` says whether any node of the component has a flag.
    """

    placed: Placed
    size: int
    special: bool


class Union(NamedTuple):
    """A raw component, the one it becomes part of, and the profile all of it is."""

    component: bytes
    into: bytes
    profile: ProfileId


def _placed(row: Sequence[Any]) -> Placed:
    return Placed(Node(*row[:3]), row[3], row[4], row[5])


async def lock(connection: Connection) -> None:
    """One writer of the graph at a time, until the transaction ends."""
    await connection.execute(_LOCK)


async def nodes(connection: Connection, ids: Collection[NodeId]) -> dict[NodeId, Placed]:
    """These nodes, as far as they exist."""
    rows = await connection.execute(_NODES, {"ids": list(ids)})
    return {row[0]: _placed(row) for row in rows}


async def edges(connection: Connection, wanted: Iterable[Edge]) -> list[Edge]:
    """What is stored for the same pairs and kinds."""
    keys = list(wanted)
    values = {
        "a": [each.a for each in keys],
        "b": [each.b for each in keys],
        "kinds": [each.kind for each in keys],
    }
    return [Edge(*row) for row in await connection.execute(_EDGES, values)]


async def put_nodes(
    connection: Connection, new: Sequence[Node], blocked: Collection[NodeId]
) -> None:
    """Add nodes, each its own profile at first; a known one may only become older."""
    values = {
        "ids": [node.id for node in new],
        "namespaces": [node.namespace for node in new],
        "seen": [node.first_seen for node in new],
        "flags": [BLOCKED if node.id in blocked else 0 for node in new],
    }
    await connection.execute(_PUT_NODES, values)


async def put_edges(connection: Connection, new: Sequence[Edge]) -> None:
    """Add edges; of a known one only the earliest evidence is kept."""
    values = {
        "a": [each.a for each in new],
        "b": [each.b for each in new],
        "kinds": [each.kind for each in new],
        "seen": [each.first_seen for each in new],
        "events": [each.event for each in new],
    }
    await connection.execute(_PUT_EDGES, values)


async def elders(connection: Connection, components: Collection[bytes]) -> list[Elder]:
    """Of each of these raw components, by namespace: the earliest-seen node, and how many."""
    if not components:
        return []
    rows = await connection.execute(_ELDERS, {"components": list(components)})
    return [Elder(_placed(row), row[6], row[7]) for row in rows]


async def members(connection: Connection, components: Collection[bytes]) -> list[Placed]:
    """Every node of these raw components."""
    rows = (await connection.execute(_MEMBERS, {"components": list(components)})).all()
    return [_placed(row) for row in rows]


async def suspects(connection: Connection, *, after: NodeId, limit: int) -> list[Placed]:
    """Nodes that strangers share or that a link awaiting a review ends at, by id."""
    rows = await connection.execute(_SUSPECTS, {"after": after, "limit": limit})
    return [_placed(row) for row in rows]


async def incident_edges(connection: Connection, ids: Collection[NodeId]) -> list[Edge]:
    """Every edge that ends at one of these nodes."""
    rows = (await connection.execute(_INCIDENT_EDGES, {"ids": list(ids)})).all()
    return [Edge(*row) for row in rows]


async def assign(connection: Connection, placed: Sequence[Placed]) -> None:
    """Place each node anew."""
    values = {
        "ids": [each.node.id for each in placed],
        "components": [each.component for each in placed],
        "profiles": [each.profile for each in placed],
        "flags": [each.flags for each in placed],
    }
    await connection.execute(_ASSIGN, values)


async def unite(connection: Connection, unions: Sequence[Union]) -> None:
    """Move whole raw components."""
    values = {
        "components": [each.component for each in unions],
        "into": [each.into for each in unions],
        "profiles": [each.profile for each in unions],
    }
    await connection.execute(_UNITE, values)


async def profiles(connection: Connection, ids: Collection[NodeId]) -> dict[NodeId, ProfileId]:
    """The profiles that these identifiers belong to, as far as they were ever seen."""
    rows = await connection.execute(_PROFILES, {"ids": list(ids)}) if ids else ()
    return {row[0]: row[1] for row in rows}


async def profile_of(connection: Connection, node: NodeId) -> ProfileId | None:
    """The profile that an identifier belongs to; a former profile id is found the same way."""
    row = (await connection.execute(_PROFILE_OF, {"id": node})).first()
    return row[0] if row else None


async def nodes_of(
    connection: Connection, profiles: Collection[ProfileId]
) -> dict[ProfileId, list[NodeId]]:
    """The identifiers of each profile."""
    rows = await connection.execute(_PROFILE_NODES, {"profiles": list(profiles)})
    return {row[0]: row[1] for row in rows}
