"""How a person stands, now or as of a time, and how it came to that: as the API shows it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import consent.stage as consent_stage
from cdp import times
from cdp.api import refs
from cdp.api.parts import Parts
from cdp.db import Connection
from cdp.errors import NotFound
from cdp.events import Event, Identifier, Instant, ProfileId, SubjectId
from cdp.evidence.asof import AsOf
from cdp.log import store as log_store
from cdp.log.keyring import Opened
from cdp.people import unfolded_decisions
from consent import notices
from consent.model import Decision, decisions, expired
from consent.signals import google
from consent.standing import Standing, granted
from identity.rulebook import RuleBook


async def current(parts: Parts, connection: Connection, profile: ProfileId) -> dict[str, Any]:
    """As of this moment."""
    nodes, stands = await stands_of(parts, connection, profile)
    records = await log_store.consent_history(connection, nodes)
    facts = await parts.people.keyring.open_events(connection, records)
    return await _shown(connection, profile, stands, facts)


async def stands_of(
    parts: Parts, connection: Connection, profile: ProfileId
) -> tuple[list[SubjectId], Mapping[str, Standing]]:
    """A person's identifiers, and how they stand, with what is acknowledged but not folded yet."""
    nodes = (await parts.people.nodes(connection, [profile])).get(profile, [])
    tail = await unfolded_decisions(connection, parts.people.keyring, nodes)
    stands = await parts.people.stands(connection, {profile: nodes}, times.now(), tail)
    return nodes, stands[profile]


async def as_of(parts: Parts, connection: Connection, ref: str, at: Instant) -> dict[str, Any]:
    """As it was known then: who the person was by then, and what we had received from them."""
    then = AsOf(parts.people, await RuleBook().refresh(connection), at)
    named = refs.identifier(ref)
    node = parts.vault.subject(*named) if isinstance(named, Identifier) else named
    found = await then.person(connection, node)
    if found is None:
        raise NotFound(f"nobody had been seen as {ref} by {times.iso(at)}")
    profile, who = found
    stands = (await then.stands(connection, {profile: who}))[profile]
    shown = await _shown(connection, profile, stands, await then.facts(connection, who.nodes))
    return shown | {"as_of": times.iso(at)}


def told(decision: Decision) -> dict[str, Any]:
    """A decision."""
    return {
        "state": decision.state,
        "at": times.iso(decision.at),
        "source": decision.source,
        "signal": decision.signal,
        "fact": decision.event.hex(),
    }


async def _shown(
    connection: Connection,
    profile: ProfileId,
    stands: Mapping[str, Standing],
    facts: Iterable[Opened],
) -> dict[str, Any]:
    events = [each.event for each in facts]
    shown = {d.notice for event in events for d in decisions(event) if d.notice}
    hashes = await notices.hashes(connection, shown)
    meanings = await consent_stage.signals(connection)
    return {
        "profile_id": str(uuid.UUID(bytes=profile)),
        "state": {purpose: stand.state for purpose, stand in stands.items()},
        "decisions": {p: _standing(s) for p, s in stands.items() if s.decision},
        "defaults": {p: _default(s) for p, s in stands.items() if s.default},
        "google": google.shown(meanings, granted(stands)),
        "history": [entry for event in events for entry in _entries(event, hashes)],
    }


def _entries(event: Event, hashes: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, Any]]:
    """What an event adds to somebody's history: decisions, or that a yes has ended by itself."""
    for decision in decisions(event):
        particulars = _particulars(event, decision, hashes)
        yield told(decision) | {"purpose": decision.signal} | particulars
    purpose = expired(event)
    if purpose:
        ended = {"state": "expired", "at": times.iso(event.at), "source": "validity"}
        yield ended | {"signal": purpose, "fact": event.id.hex(), "purpose": purpose}


def _standing(stand: Standing) -> dict[str, Any]:
    assert stand.decision is not None
    until = {"until": times.iso(stand.until)} if stand.until is not None else {}
    return told(stand.decision) | until | ({"expired": True} if stand.expired else {})


def _default(stand: Standing) -> dict[str, Any]:
    assert stand.default is not None
    state, basis, regime = stand.default
    return {"state": state, "basis": basis or None, "regime": regime or None}


def _particulars(
    event: Event, decision: Decision, hashes: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """What it was told with; of the notice also which texts that is, by language."""
    said = {"jurisdiction": decision.jurisdiction, "notice": decision.notice}
    if event.type == "consent":  # properties of any other call are somebody else's words
        said["proof"] = event.properties.get("proof", "")
    texts = hashes.get(decision.notice)
    found = {name: value for name, value in said.items() if value}
    return found | ({"notice_hashes": texts} if texts else {})
