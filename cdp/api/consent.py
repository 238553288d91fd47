"""Consent: decisions, how a person stands, and the purposes there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

import consent.store as consent_store
from cdp import times
from cdp.api import openapi, pages, refs, samples, standing
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, Invalid, NotFound
from cdp.events import Event, Identifier
from cdp.facts import about, fact
from cdp.forms import load
from cdp.log.writing import fact_of
from consent.jurisdictions import REGIMES
from consent.purposes import STORED_FOR, Purpose, by_channel, whole
from consent.schema import DecisionSchema, PurposeSchema, purpose_of, written
from consent.stamps import signal_of
from identity.identifiers import ANONYMOUS_ID, USER_ID
from profiles import defining


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
        routes.get(
            "/regimes",
            self.list_regimes,
            "consent:read",
            openapi.read("How people stand by law", samples.REGIMES),
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
            openapi.read(
                "State and history, now or as of a time", samples.CONSENT, named="ref", takes="at"
            ),
        )
        return routes.router

    async def list_purposes(self, request: Request) -> Response:
        """Every purpose."""
        async with self.parts.database.transaction() as connection:
            found = await consent_store.defined(connection)
        return pages.json({"purposes": [_shown(purpose) for purpose in found]})

    async def get_purpose(self, request: Request) -> Response:
        """One purpose."""
        key = refs.key(request)
        async with self.parts.database.transaction() as connection:
            found = await consent_store.defined(connection)
        for purpose in found:
            if purpose.key == key:
                return pages.json(_shown(purpose))
        raise NotFound(f"there is no purpose {key}")

    async def put_purpose(self, request: Request) -> Response:
        """Create or change one; everybody is looked at again."""
        key = refs.key(request)
        loaded, _ = load(PurposeSchema(), await pages.read_body(request))
        purpose = purpose_of(key, loaded)
        if purpose.retention_days is not None and key not in STORED_FOR:
            raise Invalid(
                f"retention_days: events are stored for {' or '.join(STORED_FOR)}; set it there",
                field="retention_days",
            )
        async with self.parts.changing(request) as connection:
            await _must_be_its_own(connection, purpose)
            await consent_store.put_purpose(connection, purpose)
            await defining.start_build(connection, f"purpose {key}")
        return pages.json(_shown(purpose))

    async def list_regimes(self, request: Request) -> Response:
        """The table of laws that defaults come from."""
        told = {
            law.key: {
                "name": law.name,
                "places": law.places,
                "sources": law.sources,
                "purposes": {
                    purpose: {"basis": basis, "default": state}
                    for purpose, (basis, state) in law.purposes.items()
                },
            }
            for law in REGIMES.values()
        }
        return pages.json({"regimes": told})

    async def put_decision(self, request: Request) -> Response:
        """Record a decision; the answer comes when it is durable."""
        loaded, _ = load(DecisionSchema(), await pages.read_body(request))
        async with self.parts.database.transaction() as connection:
            await refs.known_purpose(connection, loaded["purpose"])
            who = await _identifier(self.parts, connection, request.path_params["ref"])
        event = _fact(self.parts, who, loaded)
        subject = self.parts.vault.subject(*who)
        await self.parts.appender.tell([fact_of(event, subject, consent=True)])
        told = {"purpose": loaded["purpose"], "state": loaded["state"]}
        return pages.json(told | {"at": times.iso(event.at), "fact": event.id.hex()})

    async def get_consent(self, request: Request) -> Response:
        """How a person stands, and how it came to that; or how they stood as far as was known."""
        ref, at = request.path_params["ref"], pages.instant(request, "at")
        async with self.parts.database.transaction() as connection:
            if at is not None:
                return pages.json(await standing.as_of(self.parts, connection, ref, at))
            profile = await refs.profile_of(connection, ref, self.parts.vault.subject)
            return pages.json(await standing.current(self.parts, connection, profile))


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
    return fact(parts.vault, "consent", loaded, at=at, **about(who))


async def _must_be_its_own(connection: Connection, purpose: Purpose) -> None:
    """Consent stamps know a purpose by the words of its key: no two may come down to the same."""
    mine = {signal_of(each.key): each.key for each in by_channel(purpose)}
    for other in await consent_store.purposes(connection):
        clash = mine.get(signal_of(other.key))
        if clash and whole(other.key) != purpose.key:
            raise Invalid(
                f"key: {clash} and {other.key} are the same in consent stamps; choose another",
                field="key",
            )


def _shown(purpose: Purpose) -> dict[str, Any]:
    return {"key": purpose.key, **written(purpose)}
