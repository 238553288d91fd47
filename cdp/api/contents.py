"""/api/v1/content/{key}: what is shown in slots of web pages, to whom and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from activation.content import store
from activation.content.schema import ContentSchema, shown
from activation.content.store import Stored
from cdp import times
from cdp.api import openapi, pages, refs, samples_web
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.errors import NotFound
from cdp.forms import load
from cdp.times import from_datetime, iso


@dataclass(frozen=True, slots=True)
class Contents:
    """The catalogue."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/content", "Web", self.parts.keys)
        routes.get(
            "",
            self.list_contents,
            "content:read",
            openapi.read("All content", samples_web.CONTENTS),
        )
        routes.put(
            "/{key}",
            self.put_content,
            "content:write",
            openapi.write("Define content", "ContentSchema", samples_web.CONTENT, named="key"),
        )
        routes.get(
            "/{key}",
            self.get_content,
            "content:read",
            openapi.read("One content", samples_web.CONTENT, named="key"),
        )
        routes.delete(
            "/{key}",
            self.delete_content,
            "content:write",
            openapi.delete("Delete content: it is shown no more"),
        )
        return routes.router

    async def list_contents(self, request: Request) -> Response:
        """All there is."""
        async with self.parts.database.transaction() as connection:
            found = await store.everything(connection)
        return pages.json({"content": [_shown(each) for each in found]})

    async def put_content(self, request: Request) -> Response:
        """Create or change one; it is shown from now on."""
        key = refs.key(request)
        loaded, _ = load(ContentSchema(), await pages.read_body(request))
        async with self.parts.changing(request) as connection:
            if loaded["purpose"]:
                await refs.known_purpose(connection, loaded["purpose"])
            stored = await store.put(connection, key, loaded)
        await self.parts.catalogue.renew(self.parts.database, times.now())
        return pages.json(_shown(stored))

    async def get_content(self, request: Request) -> Response:
        """One of them."""
        async with self.parts.database.transaction() as connection:
            found = await store.find(connection, refs.key(request))
        if found is None:
            raise NotFound("there is no such content")
        return pages.json(_shown(found))

    async def delete_content(self, request: Request) -> Response:
        """Take one away."""
        async with self.parts.changing(request) as connection:
            if not await store.delete(connection, refs.key(request)):
                raise NotFound("there is no such content")
        await self.parts.catalogue.renew(self.parts.database, times.now())
        return Response(status_code=204)


def _shown(stored: Stored) -> dict[str, Any]:
    at = iso(from_datetime(stored.updated_at))
    return {"key": stored.key, **shown(stored.loaded), "updated_at": at}
