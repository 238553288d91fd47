"""What holds for all messages to people: caps, quiet hours, patience."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from activation.pacing import store
from activation.pacing.schema import PacingSchema, policy_of, written
from cdp.api import openapi, pages, refs, samples_pacing
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.forms import load


@dataclass(frozen=True, slots=True)
class Pacing:
    """One document."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/pacing", "Activation", self.parts.keys)
        routes.get(
            "",
            self.get_pacing,
            "destinations:read",
            openapi.read("Caps and quiet hours", samples_pacing.PACING),
        )
        routes.put(
            "",
            self.put_pacing,
            "destinations:write",
            openapi.write("Set caps and quiet hours", "PacingSchema", samples_pacing.PACING),
        )
        return routes.router

    async def get_pacing(self, request: Request) -> Response:
        """With everything said."""
        async with self.parts.database.transaction() as connection:
            return pages.json(written(await store.policy(connection)))

    async def put_pacing(self, request: Request) -> Response:
        """In force for what is sent from now on, and for what waits when it is due."""
        loaded, _ = load(PacingSchema(), await pages.read_body(request))
        policy = policy_of(loaded)
        async with self.parts.changing(request) as connection:
            for cap in policy.caps:
                if cap.purpose:
                    await refs.known_purpose(connection, cap.purpose)
            await store.put(connection, policy)
        return pages.json(written(policy))
