"""The graph kept chunk by chunk in the database equals the pure resolution of the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.db import Connection, Database, named
from cdp.events import SCHEMA, Event, Identifier
from identity.graph import Edge, Node, earliest, edge
from identity.identifiers import Named, read
from identity.memory import Memory
from identity.model import Rules, resolve
from identity.stage import Identity, Resolved
from tests.support.stores import Stores

RULES = Rules(limits={"user_id": 1, "email": 2}, default_limit=3)


def hashed(namespace: str, value: str) -> bytes:
    return f"{namespace[0]}:{value}".encode().ljust(16, b"_")


class Statement(NamedTuple):
    event: Event
    named: Named


def statement(number: int, kind: str, at: int, fields: dict[str, Any]) -> Statement:
    event = Event(SCHEMA, kind, number.to_bytes(16), 1, str(number), at, 10**12, **fields)  # type: ignore[arg-type]
    return Statement(event, read(event))


user = st.sampled_from([f"u{n}" for n in range(5)] + [""])
device = st.sampled_from([f"d{n}" for n in range(6)])
email = st.sampled_from([f"e{n}@x.de" for n in range(4)])
said = st.one_of(
    st.tuples(st.just("track"), st.fixed_dictionaries({"user_id": user, "anonymous_id": device})),
    st.tuples(
        st.just("identify"),
        st.fixed_dictionaries(
            {
                "user_id": user,
                "anonymous_id": device,
                "traits": st.fixed_dictionaries({"email": email}),
            }
        ),
    ),
    st.tuples(
        st.just("alias"),
        st.fixed_dictionaries(
            {"user_id": user, "previous_id": st.sampled_from(["u1", "u2", "d1"])}
        ),
    ),
)
chunks = st.lists(st.tuples(said, st.integers(1, 20)), min_size=1, max_size=8)
# Each chunk comes to one of two workers, and may have been rolled back by it or the other before.
histories = st.lists(
    st.tuples(chunks, st.sampled_from([0, 1]), st.sampled_from([None, 0, 1])),
    min_size=1,
    max_size=6,
)

_CLEAR = named("truncate nodes, edges")
_NODES = named("select id, namespace, first_seen, profile from nodes")
_EDGES = named("select a, b, kind, first_seen, event from edges")


@pytest.fixture(scope="module")
async def database(stores: Stores) -> AsyncIterator[Database]:
    """One database for all examples: it is emptied in between."""
    opened = Database(stores.fresh().database_url)
    yield opened
    await opened.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
async def test_incremental_equals_batch(
    database: Database,
    history: list[tuple[list[tuple[tuple[str, dict[str, Any]], int]], int, int | None]],
) -> None:
    await database.rows(_CLEAR)
    workers = [Identity(hashed, RULES, Memory(size)) for size in (1000, 5)]
    everything: list[Statement] = []
    for chunk, worker, lost in history:
        statements = [
            statement(len(everything) + number, kind, at, fields)
            for number, ((kind, fields), at) in enumerate(chunk)
        ]
        everything += statements
        if lost is not None:
            await _roll_back(database, workers[lost], statements)
        await _resolve(database, workers[worker], statements)
    found = {row[0]: row[3] for row in await database.rows(_NODES)}
    nodes, edges = told(everything)
    assert found == resolve(nodes, edges, RULES).profiles
    stored = {Edge(*row) for row in await database.rows(_EDGES)}
    assert stored == set(edges)


def told(said: Sequence[Statement]) -> tuple[list[Node], list[Edge]]:
    """The raw graph, read off the statements without the code under test."""
    seen: dict[Identifier, int] = {}
    edges: list[Edge] = []
    for event, about in said:
        linked = [end for link in about.links for end in (link.a, link.b)]
        for identifier in (*about.identifiers, *linked):
            seen[identifier] = min(seen.get(identifier, event.at), event.at)
        for link in about.links:
            a, b = hashed(*link.a), hashed(*link.b)
            edges.append(edge(a, b, link.kind, event.at, event.id))
    nodes = [Node(hashed(*identifier), identifier.namespace, at) for identifier, at in seen.items()]
    return nodes, list(earliest(edges).values())


async def _told(connection: Connection, identity: Identity, said: Sequence[Statement]) -> Resolved:
    heard = identity.listen()
    for each in said:
        heard.hear(each.named, each.event)
    subjects = {hashed(*each.named.subject) for each in said if each.named.subject}
    return await identity.resolve(connection, heard, subjects)


async def _roll_back(database: Database, identity: Identity, said: Sequence[Statement]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await _told(connection, identity, said)
            raise ZeroDivisionError


async def _resolve(database: Database, identity: Identity, said: Sequence[Statement]) -> None:
    before = {row[0]: row[3] for row in await database.rows(_NODES)}
    async with database.transaction() as connection:
        resolved = await _told(connection, identity, said)
    after = {row[0]: row[3] for row in await database.rows(_NODES)}
    for node, profile in resolved.profiles.items():
        assert after[node] == profile
    for node, profile in before.items():
        if profile != after[node]:
            assert {profile, after[node]} <= resolved.moved, "a move nobody was told of"
