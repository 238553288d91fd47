"""Consent: decisions, how a person stands, and the purposes there are."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

import consent.store as consent_store
from cdp import times
from cdp.api import openapi, pages, refs, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, NotFound
from cdp.events import Event, Identifier, ProfileId
from cdp.facts import fact
from cdp.forms import load
from cdp.log import store as log_store
from cdp.log.appender import fact_of
from cdp.people import unfolded_decisions
from consent.model import Decision, Purpose, decisions, standing
from consent.schema import DecisionSchema, PurposeSchema
from identity.identifiers import ANONYMOUS_ID, USER_ID
from profiles import segments


@dataclass(frozen=True, slots=True)
class Consent:
    """Everything about consent."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/consent", "Consent", self.parts.keys)
        routes.get(
            "/purposes",
            self.list_purposes,
            "consent:read",
            openapi.read("All purposes", samples.PURPOSES),
        )
        routes.put(
            "/purposes/{key}",
            self.put_purpose,
            "consent:write",
            openapi.write("Define a purpose", "PurposeSchema", samples.PURPOSE, named="key"),
        )
        routes.get(
            "/purposes/{key}",
            self.get_purpose,
            "consent:read",
            openapi.read("One purpose", samples.PURPOSE, named="key"),
        )
        routes.put(
            "/{ref:path}",
            self.put_decision,
            "consent:write",
            openapi.write("Record a decision", "DecisionSchema", samples.DECISION, named="ref"),
        )
        routes.get(
            "/{ref:path}",
            self.get_consent,
            "consent:read",
            openapi.read("Current state and history", samples.CONSENT, named="ref"),
        )
        return routes.router

    async def list_purposes(self, request: Request) -> Response:
        """Every purpose."""
        async with self.parts.database.transaction() as connection:
            found = await consent_store.purposes(connection)
        return pages.json({"purposes": [_shown(purpose) for purpose in found]})

    async def get_purpose(self, request: Request) -> Response:
        """One purpose."""
        key = refs.key(request)
        async with self.parts.database.transaction() as connection:
            found = await consent_store.purposes(connection)
        for purpose in found:
            if purpose.key == key:
                return pages.json(_shown(purpose))
        raise NotFound(f"there is no purpose {key}")

    async def put_purpose(self, request: Request) -> Response:
        """Create or change one; everybody is looked at again."""
        key = refs.key(request)
        loaded, _ = load(PurposeSchema(), await pages.read_body(request))
        purpose = Purpose(key, loaded["name"], loaded["by_default"], tuple(loaded["signals"]))
        async with self.parts.database.transaction() as connection:
            await consent_store.put_purpose(connection, purpose)
            await segments.start_build(connection, f"purpose {key}")
        return pages.json(_shown(purpose))

    async def put_decision(self, request: Request) -> Response:
        """Record a decision; the answer comes when it is durable."""
        loaded, _ = load(DecisionSchema(), await pages.read_body(request))
        async with self.parts.database.transaction() as connection:
            await refs.known_purpose(connection, loaded["purpose"])
            who = await _identifier(self.parts, connection, request.path_params["ref"])
        event = _fact(self.parts, who, loaded)
        subject = self.parts.vault.subject(*who)
        await self.parts.appender.append([fact_of(event, subject, consent=True)])
        told = {"purpose": loaded["purpose"], "state": loaded["state"]}
        return pages.json(told | {"at": times.iso(event.at), "fact": event.id.hex()})

    async def get_consent(self, request: Request) -> Response:
        """How a person stands, and how it came to that."""
        async with self.parts.database.transaction() as connection:
            ref = request.path_params["ref"]
            profile = await refs.profile_of(connection, ref, self.parts.vault.subject)
            return pages.json(await _state(self.parts, connection, profile))


async def _state(parts: Parts, connection: Connection, profile: ProfileId) -> dict[str, Any]:
    """As of this moment, decisions counted that are acknowledged but not folded yet."""
    nodes = (await parts.people.nodes(connection, [profile])).get(profile, [])
    known = [d for all_ in (await consent_store.of(connection, nodes)).values() for d in all_]
    tail = await unfolded_decisions(connection, parts.people.keyring, nodes)
    known += [decision for all_ in tail.values() for decision in all_]
    stands = standing(await consent_store.purposes(connection), known)
    records = await log_store.consent_history(connection, nodes)
    opened = await parts.people.keyring.open_events(connection, records)
    history = [
        _told(decision) | {"purpose": decision.signal} | _particulars(each.event)
        for each in opened
        for decision in decisions(each.event)
    ]
    return {
        "profile_id": str(uuid.UUID(bytes=profile)),
        "state": {purpose: stand.state for purpose, stand in stands.items()},
        "decisions": {p: _told(s.decision) for p, s in stands.items() if s.decision},
        "history": history,
    }


def _told(decision: Decision | None) -> dict[str, Any]:
    assert decision is not None
    return {
        "state": decision.state,
        "at": times.iso(decision.at),
        "source": decision.source,
        "signal": decision.signal,
        "fact": decision.event.hex(),
    }


def _particulars(event: Event) -> dict[str, Any]:
    if event.type != "consent":  # properties of any other call are somebody else's words
        return {}
    names = ("jurisdiction", "notice", "proof")
    return {name: event.properties[name] for name in names if name in event.properties}


async def _identifier(parts: Parts, connection: Connection, ref: str) -> Identifier:
    """An identifier to record under; of a profile id, the first that the profile has."""
    named = refs.identifier(ref)
    if isinstance(named, Identifier):
        return named
    profile = await refs.profile_of(connection, ref, parts.vault.subject)
    views = await parts.people.load(connection, [profile])
    held = views.get(profile, {}).get("identifiers", {})
    for namespace in (USER_ID, ANONYMOUS_ID, *held):
        if held.get(namespace):
            return Identifier(namespace, held[namespace][0])
    raise Conflict(f"{ref} has no identifier to record a decision under")


def _fact(parts: Parts, who: Identifier, loaded: dict[str, Any]) -> Event:
    at = times.from_datetime(loaded.pop("at")) if "at" in loaded else None
    external = [] if who.namespace in {USER_ID, ANONYMOUS_ID} else [_external(who)]
    return fact(
        parts.vault,
        "consent",
        loaded,
        at=at,
        user_id=who.value if who.namespace == USER_ID else "",
        anonymous_id=who.value if who.namespace == ANONYMOUS_ID else "",
        context={"externalIds": external} if external else {},
    )


def _external(who: Identifier) -> dict[str, str]:
    return {"type": who.namespace, "id": who.value, "collection": "users"}


def _shown(purpose: Purpose) -> dict[str, Any]:
    return purpose._asdict() | {"signals": list(purpose.signals)}
