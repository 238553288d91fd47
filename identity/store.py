"""The identity graph's SQL: nodes and edges as keyed hashes, profiles as a column of the nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from cdp.db import Connection, named
from cdp.events import ProfileId
from identity.graph import Edge, Node, NodeId

_LOCK = named("select pg_advisory_xact_lock(cast(cast('nodes' as regclass) as oid)::bigint)")
_NODES = named(
    "select id, namespace, first_seen, component, profile from nodes where id = any(:ids)"
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
    insert into nodes (id, namespace, first_seen, component, profile)
    select id, n, f, id, id
      from unnest(cast(:ids as bytea[]), cast(:namespaces as text[]), cast(:seen as bigint[]))
           u(id, n, f)
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
           id, namespace, first_seen, component, profile,
           count(*) over (partition by component, namespace)
      from nodes where component = any(:components)
     order by component, namespace, first_seen, id
    """
)
_MEMBERS = named(
    """
    select id, namespace, first_seen, component, profile from nodes
     where component = any(:components)
    """
)
_INNER_EDGES = named(
    """
    select e.a, e.b, e.kind, e.first_seen, e.event
      from nodes n join edges e on e.a = n.id where n.component = any(:components)
    """
)
_ASSIGN = named(
    """
    update nodes n set component = :component, profile = u.profile
      from unnest(cast(:ids as bytea[]), cast(:profiles as bytea[])) u(id, profile)
     where n.id = u.id and (n.component, n.profile) is distinct from (:component, u.profile)
    returning n.id
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
_PROFILES = named("select id, profile from nodes where id = any(:ids)")
_PROFILE_OF = named("select profile from nodes where id = :id")
_PROFILE_NODES = named("select profile, id from nodes where profile = any(:profiles)")


class Placed(NamedTuple):
    """A node, the raw component it is in and the profile it resolves to."""

    node: Node
    component: bytes
    profile: ProfileId


class Elder(NamedTuple):
    """The earliest-seen node of its namespace in its raw component, and how many there are."""

    placed: Placed
    size: int


class Union(NamedTuple):
    """A raw component, the one it becomes part of, and the profile all of it is."""

    component: bytes
    into: bytes
    profile: ProfileId


async def lock(connection: Connection) -> None:
    """One writer of the graph at a time, until the transaction ends."""
    await connection.execute(_LOCK)


async def nodes(connection: Connection, ids: Collection[NodeId]) -> dict[NodeId, Placed]:
    """These nodes, as far as they exist."""
    rows = await connection.execute(_NODES, {"ids": list(ids)})
    return {row[0]: Placed(Node(*row[:3]), row[3], row[4]) for row in rows}


async def edges(connection: Connection, wanted: Iterable[Edge]) -> list[Edge]:
    """What is stored for the same pairs and kinds."""
    keys = list(wanted)
    values = {
        "a": [each.a for each in keys],
        "b": [each.b for each in keys],
        "kinds": [each.kind for each in keys],
    }
    return [Edge(*row) for row in await connection.execute(_EDGES, values)]


async def put_nodes(connection: Connection, new: Sequence[Node]) -> None:
    """Add nodes, each its own profile at first; a known one may only become older."""
    values = {
        "ids": [node.id for node in new],
        "namespaces": [node.namespace for node in new],
        "seen": [node.first_seen for node in new],
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
    rows = await connection.execute(_ELDERS, {"components": list(components)})
    return [Elder(Placed(Node(*row[:3]), row[3], row[4]), row[5]) for row in rows]


async def members(connection: Connection, components: Collection[bytes]) -> list[Placed]:
    """Every node of these raw components."""
    rows = await connection.execute(_MEMBERS, {"components": list(components)})
    return [Placed(Node(*row[:3]), row[3], row[4]) for row in rows]


async def inner_edges(connection: Connection, components: Collection[bytes]) -> list[Edge]:
    """Every edge of these raw components."""
    rows = await connection.execute(_INNER_EDGES, {"components": list(components)})
    return [Edge(*row) for row in rows]


async def assign(
    connection: Connection, component: bytes, profiles: Mapping[NodeId, ProfileId]
) -> None:
    """Place each node in the raw component and in its profile."""
    values = {
        "component": component,
        "ids": list(profiles),
        "profiles": list(profiles.values()),
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
    found: dict[ProfileId, list[NodeId]] = {}
    rows = await connection.execute(_PROFILE_NODES, {"profiles": list(profiles)})
    for profile, node in rows:
        found.setdefault(profile, []).append(node)
    return found
