"""The identity graph as the API shows it: links with their evidence, and answers in words."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cdp import times
from cdp.db import Connection
from cdp.events import Event, ProfileId
from cdp.tracing import MOST, Trace, Tracing
from identity import explain, verdicts
from identity.explain import Step, Way
from identity.graph import NodeId
from identity.groups import Why
from identity.identifiers import Kind
from identity.matching.facts import evidence, inference
from identity.spelling import MARK
from identity.store import BLOCKED, SHARED, Placed

_HISTORY = 200  # merges and splits in one answer


@dataclass(frozen=True, slots=True)
class Shown:
    """Tells about one trace."""

    tracing: Tracing
    trace: Trace

    async def person(self, connection: Connection, profile: ProfileId) -> dict[str, Any]:
        """A profile's identifiers and all links that end at one of them."""
        of = self.trace.resolution.profiles
        own = [node for node in self.trace.inside if of[node] == profile and not self._plain(node)]
        mine = set(own)
        links = [each for each in self._steps() if not mine.isdisjoint(each.edge[:2])][:MOST]
        history = await verdicts.history(connection, own, _HISTORY)
        said = [each for each in self.trace.facts.verdicts if not mine.isdisjoint(each[:2])]
        causes = [move.cause for _, move in history] + [each.event for each in said]
        events = await self._events(connection, links, causes)
        aliases = {move.former for _, move in history if move.former in mine} - {profile}
        return {
            "profile_id": _uuid(profile),
            "identifiers": [self._identifier(node) for node in sorted(own, key=self._first)],
            "links": [self._link(each, events) for each in links],
            "said": [
                {
                    "a": self.trace.name(each.a),
                    "b": self.trace.name(each.b),
                    "same": each.together,
                    "at": times.iso(each.at),
                    **_particulars(events.get(each.event)),
                }
                for each in said
            ],
            "aliases": [_uuid(each) for each in sorted(aliases)],
            "history": [
                {
                    "at": times.iso(at),
                    "kind": move.kind,
                    "from": _uuid(move.former),
                    "to": _uuid(move.profile),
                    "cause": _evidence(move.cause, events),
                }
                for at, move in history
            ],
        }

    async def explanation(self, connection: Connection, found: Way) -> dict[str, Any]:
        """Why two identifiers are the same person, or not."""
        events = await self._events(connection, found.steps, ())
        return {
            "same": found.same,
            "answer": explain.sentence(
                found,
                self.tracing.rules,
                self.trace.name,
                lambda step: _told(step, events.get(step.edge.event)),
            ),
            "path": [self._link(each, events) for each in found.steps],
        }

    def suspects(self, placed: Placed) -> list[dict[str, Any]]:
        """What is to be looked at because of one node."""
        node, name = placed.node.id, self.trace.name
        told: list[dict[str, Any]] = []
        if placed.flags & SHARED:
            count = sum(node in each[:2] for each in self.trace.facts.edges)
            reason = f"{name(node)} is linked with {count} others"
            told.append({"kind": "shared", "a": name(node), "b": None, "reason": reason})
        for refusal in self.trace.resolution.refused:
            if refusal.why == Why.HELD and refusal.edge.a == node:
                reason = explain.reason(refusal, self.tracing.rules, name)
                pair = {"a": name(node), "b": name(refusal.edge.b)}
                told.append({"kind": "held", **pair, "reason": reason})
        return told

    def _plain(self, node: NodeId) -> bool:
        """Whether it is what spellings come down to, and not an identifier of anybody."""
        return self.trace.placed[node].node.namespace.startswith(MARK)

    def _steps(self) -> list[Step]:
        refusals = {each.edge: each for each in self.trace.resolution.refused}
        return explain.steps(self.trace.facts, refusals, self.tracing.rules)

    def _first(self, node: NodeId) -> tuple[int, bytes]:
        return self.trace.placed[node].node.first_seen, node

    def _identifier(self, node: NodeId) -> dict[str, Any]:
        placed = self.trace.placed[node]
        state = "links"
        if placed.flags & BLOCKED:
            state = "blocked"
        elif placed.flags & SHARED:
            state = "shared"
        return {
            "identifier": self.trace.name(node),
            "first_seen": times.iso(placed.node.first_seen),
            "state": state,
        }

    def _link(self, step: Step, events: dict[bytes, Event]) -> dict[str, Any]:
        against = step.refusal
        rules, name = self.tracing.rules, self.trace.name
        return {
            "a": name(step.a),
            "b": name(step.b),
            "kind": Kind(step.edge.kind).name.lower(),
            "first_seen": times.iso(step.edge.first_seen),
            "taken": against is None,
            "for": explain.said(step),
            "against": explain.reason(against, rules, name) if against else None,
            "evidence": _evidence(step.edge.event, events),
            "likeness": _likeness(events.get(step.edge.event)),
        }

    async def _events(
        self, connection: Connection, steps: Iterable[Step], more: Iterable[bytes]
    ) -> dict[bytes, Event]:
        wanted = {each.edge.event for each in steps} | set(more)
        return await self.tracing.evidence(connection, wanted)


def _likeness(event: Event | None) -> dict[str, Any] | None:
    """What matching says of two."""
    said = inference(event) if event else None
    if event is None or said is None:
        return None
    return {"probability": said.probability, "fields": evidence(event)}


def _told(step: Step, event: Event | None) -> str:
    """What speaks for a link, and how much if it is likeness."""
    likeness = _likeness(event)
    if likeness is None:
        return explain.said(step)
    fields = ", ".join(f"{f['field']} {f['says']}" for f in likeness["fields"] if f["bits"] > 0)
    return f"{explain.said(step)} ({likeness['probability']:.2%}: {fields})"


def _particulars(event: Event | None) -> dict[str, str]:
    properties = event.properties if event else {}
    return {name: str(properties.get(name, "")) for name in ("reason", "by")}


def _evidence(event_id: bytes, events: dict[bytes, Event]) -> dict[str, Any]:
    event = events.get(event_id)
    by_rules = event_id.startswith(b"rules ")
    return {
        "event": "" if by_rules else event_id.hex(),
        "type": "rules" if by_rules else event.type if event else None,
        "name": event.name if event else None,
        "at": times.iso(event.at) if event else None,
        "source": event.source if event else None,
        "message_id": event.message_id if event else None,
    }


def _uuid(profile: ProfileId) -> str:
    return str(uuid.UUID(bytes=profile))
