"""The ledger of what was delivered to destinations, and of what was not and why."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

import identity.store as identity_store
from activation import store
from activation.campaigns import outcomes
from activation.campaigns.outcomes import Outcome
from activation.model import State
from activation.store import Listed
from cdp.api import openapi, pages, refs, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.errors import Invalid
from cdp.times import bounded, from_datetime, iso, to_datetime

_STATES: tuple[str, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Deliveries."""

    parts: Parts

    def router(self) -> APIRouter:
        """The route."""
        routes = Routes("/api/v1", "Activation", self.parts.keys)
        routes.get(
            "/deliveries",
            self.list_deliveries,
            "destinations:read",
            openapi.read("The delivery ledger", samples.DELIVERIES, takes="deliveries"),
            personal=True,
        )
        return routes.router

    async def list_deliveries(self, request: Request) -> Response:
        """Oldest first, page by page."""
        return pages.json(await _deliveries(self.parts, request))


async def _deliveries(parts: Parts, request: Request) -> dict[str, Any]:
    query = request.query_params
    state, most = query.get("state"), pages.limit(request)
    if state is not None and state not in _STATES:
        raise Invalid(f"state must be one of {', '.join(_STATES)}", field="state")
    destination = query.get("destination")
    if destination is not None:
        refs.checked_key(destination, field="destination")
    async with parts.database.transaction() as connection:
        profiles = None
        if "profile" in query:
            profile = await refs.profile_of(connection, query["profile"], parts.vault.subject)
            # A profile's former ids are the ids of its nodes: their deliveries are its own.
            nodes = await identity_store.nodes_of(connection, [profile])
            profiles = nodes.get(profile, [])
        found = await store.listed(
            connection,
            profiles=profiles,
            destination=destination,
            state=state,
            after=_position(request),
            limit=most,
        )
        became = await outcomes.of(connection, [each.delivery.id for each in found])
    position = None
    if len(found) == most:
        last = found[-1]
        position = from_datetime(last.created_at).to_bytes(8) + last.delivery.id
    nothing = Outcome({})
    deliveries = [_told(each, became.get(each.delivery.id, nothing)) for each in found]
    return {"deliveries": deliveries, "next": pages.next_cursor(position)}


def _position(request: Request) -> tuple[datetime, bytes]:
    after = pages.cursor(request, pages.DELIVERY)
    return to_datetime(bounded(int.from_bytes(after[:8]))), after[8:]


def _told(listed: Listed, outcome: Outcome) -> dict[str, Any]:
    delivery = listed.delivery
    return {
        "id": str(uuid.UUID(bytes=delivery.id)),
        "destination": delivery.destination,
        "profile_id": str(uuid.UUID(bytes=delivery.profile)),
        "segment": delivery.segment,
        "change": delivery.kind,
        "at": iso(delivery.at),
        "cause": delivery.cause,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "purpose": delivery.purpose,
        "certain": listed.certain,
        "consent": listed.consent,
        "reason": listed.reason,
        "status": listed.status,
        "responses": {kind: iso(at) for kind, at in _became(listed, outcome).items()},
        "instead_of": str(uuid.UUID(bytes=outcome.instead_of)) if outcome.instead_of else None,
        "because": outcome.because,
        "next_attempt_at": iso(listed.due) if listed.due else None,
        "created_at": iso(from_datetime(listed.created_at)),
        "updated_at": iso(from_datetime(listed.updated_at)),
    }


def _became(listed: Listed, outcome: Outcome) -> dict[str, int]:
    """When it arrived, unless it came back; and what was done with it."""
    if listed.delivery.state != "sent" or "bounced" in outcome.responses:
        return outcome.responses
    return {"delivered": from_datetime(listed.updated_at)} | outcome.responses
