"""GET /api/v1/profiles/{namespace}:{value}"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp.api import openapi, pages, refs, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.errors import NotFound


@dataclass(frozen=True, slots=True)
class Profiles:
    """Reading profiles."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/profiles", "Profiles", self.parts.keys)
        routes.get(
            "/{ref:path}",
            self.get_profile,
            "profiles:read",
            openapi.read("A person's profile", samples.PROFILE, named="ref"),
        )
        return routes.router

    async def get_profile(self, request: Request) -> Response:
        """One person, by any identifier."""
        ref = request.path_params["ref"]
        async with self.parts.database.transaction() as connection:
            profile = await refs.profile_of(connection, ref, self.parts.vault.subject)
            views = await self.parts.people.load(connection, [profile])
        if profile not in views:
            raise NotFound(f"nobody has been seen as {ref}")
        return pages.json(views[profile])
