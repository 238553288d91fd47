"""A graph of people with as many devices as a power law gives them, written as the agents would."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

from identity.graph import Edge, Node, NodeId, edge
from identity.identifiers import Kind
from identity.model import Facts, resolve
from identity.rules import Rules

MOST = 300  # devices of one person
SHAPE = 1.2  # of the Pareto distribution of devices
WITH_EMAIL = 0.3


def people(hashed: Callable[[str, str], NodeId], links: int, seed: int = 7) -> Facts:
    """So many links; person n is `u{n}`, with devices `u{n}-d0` … and perhaps `u{n}@x.example`."""
    chance = random.Random(seed)
    nodes: list[Node] = []
    edges: list[Edge] = []
    while len(edges) < links:
        user, at = f"u{len(nodes)}", len(nodes)
        who = hashed("user_id", user)
        nodes.append(Node(who, "user_id", at))
        for number in range(min(int(chance.paretovariate(SHAPE)), MOST)):
            device = hashed("anonymous_id", f"{user}-d{number}")
            nodes.append(Node(device, "anonymous_id", at))
            edges.append(edge(who, device, Kind.LOGIN, at, who))
            if number == 0:  # the one that most events come from
                edges.append(edge(who, device, Kind.TOGETHER, at, who))
        if chance.random() < WITH_EMAIL:
            email = hashed("email", f"{user}@x.example")
            nodes.append(Node(email, "email", at))
            edges.append(edge(who, email, Kind.IDENTIFY, at, who))
    return Facts(nodes, edges)


def store(url: str, facts: Facts) -> None:
    """Write the graph, resolved."""
    found = resolve(facts, Rules())
    nodes = ((*node, found.components[node.id], found.profiles[node.id], 0) for node in facts.nodes)
    with psycopg.connect(url, autocommit=True) as connection:
        _copy(connection, "nodes (id, namespace, first_seen, component, profile, flags)", nodes)
        _copy(connection, "edges (a, b, kind, first_seen, event)", facts.edges)
        connection.execute("analyze")


def _copy(connection: psycopg.Connection[Any], table: str, rows: Iterable[Any]) -> None:
    with connection.cursor().copy(f"copy {table} from stdin") as copy:
        for row in rows:
            copy.write_row(row)
