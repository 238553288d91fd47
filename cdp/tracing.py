"""Who is who, and why: the graph around identifiers, with their names and the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cdp.db import Connection
from cdp.events import Event, Identifier
from cdp.log import store as log_store
from cdp.people import People
from identity import store
from identity.graph import NodeId
from identity.model import Facts, Resolution, resolve
from identity.rules import Rules
from identity.settling import facts_about
from identity.store import SHARED, Placed

_NEIGHBOURS = 3
MOST = 2_000  # identifiers and events that are named in one answer


class Trace(NamedTuple):
    """Some raw components, all that is linked with them, and what the rules make of it."""

    placed: Mapping[NodeId, Placed]
    inside: Collection[NodeId]  # those of the components themselves
    facts: Facts
    resolution: Resolution
    names: Mapping[NodeId, Identifier]

    def name(self, node: NodeId) -> str:
        """An identifier as people write it; its namespace alone where the original is gone."""
        known = self.names.get(node)
        if known is not None:
            return f"{known.namespace}:{known.value}"
        return f"{self.placed[node].node.namespace}:…" if node in self.placed else "…"


@dataclass(frozen=True, slots=True)
class Tracing:
    """Reads the graph for people."""

    people: People
    rules: Rules

    async def around(self, connection: Connection, nodes: Collection[NodeId]) -> Trace:
        """Everything about the raw components of these nodes; empty if none was ever seen."""
        homes = {each.component for each in (await store.nodes(connection, nodes)).values()}
        members = await store.members(connection, homes)
        facts, context = await facts_about(connection, members, self.rules)
        placed = {each.node.id: each for each in (*members, *context)}
        known = {node for node, each in placed.items() if each.flags & SHARED}
        resolution = resolve(facts._replace(shared=known), self.rules)
        near = _near({each.node.id for each in members}, facts)
        first = [*(each.node.id for each in members), *near, *placed.keys()]
        names = await self.people.names(connection, list(dict.fromkeys(first))[:MOST])
        spelled = filter(None, map(self.rules.spelled, names.values()))
        names |= {self.people.keyring.vault.subject(*each): each for each in spelled}
        return Trace(placed, {each.node.id for each in members}, facts, resolution, names)

    async def evidence(self, connection: Connection, ids: Iterable[bytes]) -> dict[bytes, Event]:
        """These events, as far as they can still be read."""
        records = await log_store.by_id(connection, sorted(set(ids))[:MOST])
        opened = await self.people.keyring.open_events(connection, records)
        return {each.event.id: each.event for each in opened}


def _near(inside: Collection[NodeId], facts: Facts) -> list[NodeId]:
    """A few neighbours of each: what nobody sends events under, an address, is named by theirs."""
    taken: Counter[NodeId] = Counter()
    near = []
    for a, b, *_ in facts.edges:
        for node, other in ((a, b), (b, a)):
            if node in inside and other not in inside and taken[node] < _NEIGHBOURS:
                taken[node] += 1
                near.append(other)
    return near
