"""GET /api/v1/profiles/{namespace}:{value}"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import times
from cdp.api import openapi, pages, refs, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.confidence import confident
from cdp.db import Connection
from cdp.errors import NotFound
from cdp.events import ProfileId
from identity.rulebook import RuleBook


@dataclass(frozen=True, slots=True)
class Profiles:
    """Reading profiles."""

    parts: Parts
    book: RuleBook = field(default_factory=RuleBook)

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/profiles", "Profiles", self.parts.keys)
        routes.get(
            "/{ref:path}",
            self.get_profile,
            "profiles:read",
            openapi.read("A person's profile", samples.PROFILE, named="ref", takes="profile"),
        )
        return routes.router

    async def get_profile(self, request: Request) -> Response:
        """One person, by any identifier."""
        ref = request.path_params["ref"]
        confidence = pages.fraction(request, "min_confidence", 0.5, 1.0)
        async with self.parts.database.transaction() as connection:
            profile = await refs.profile_of(connection, ref, self.parts.vault.subject)
            found = await self._found(connection, profile, confidence)
        if found is None:
            raise NotFound(f"nobody has been seen as {ref}")
        return pages.json(found)

    async def _found(
        self, connection: Connection, profile: ProfileId, confidence: float | None
    ) -> dict[str, Any] | None:
        people = self.parts.people
        if confidence is None:
            return (await people.load(connection, [profile])).get(profile)
        rules = await self.book.refresh(connection)
        nodes = await confident(connection, rules, profile, confidence, self.parts.people.home)
        return await people.imagined(connection, profile, nodes, times.now())
