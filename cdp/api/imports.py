"""POST /api/v1/content/import: content from a CMS, which posts its feed or says where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from activation.content import store
from activation.content.feed import Feed, ImportSchema, contents
from activation.content.schema import ContentSchema
from activation.reaching import Transport
from cdp import times
from cdp.api import openapi, pages, samples_web
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.errors import Invalid
from cdp.forms import load

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Imports:
    """From wherever content is written."""

    parts: Parts

    def router(self) -> APIRouter:
        """The route."""
        routes = Routes("/api/v1/content", "Web", self.parts.keys)
        about = openapi.write("Import a feed", "ImportSchema", samples_web.IMPORTED)
        routes.post("/import", self.take, "content:write", about)
        return routes.router

    async def take(self, request: Request) -> Response:
        """All of it, or nothing: the first item that is no content is named."""
        loaded, _ = load(ImportSchema(), await pages.read_body(request))
        feed = loaded.get("feed") or await self._read(loaded["url"])
        more = {"slots": loaded["slots"], "priority": loaded["priority"]}
        checked = {}
        for number, (key, each) in enumerate(contents(feed, loaded["prefix"], more).items()):
            try:
                checked[key], _ = load(ContentSchema(), msgspec.json.encode(each))
            except Invalid as invalid:
                where = f"feed.items[{number}]"
                raise Invalid(f"{where}: {invalid.detail}", field=where) from None
        async with self.parts.changing(request) as connection:
            there = {each.key for each in await store.everything(connection)}
            gone = sorted(
                key
                for key in there - checked.keys()
                if loaded["replace"] and key.startswith(f"{loaded['prefix']}-")
            )
            for key, content in checked.items():
                await store.put(connection, key, content)
            for key in gone:
                await store.delete(connection, key)
        await self.parts.catalogue.renew(self.parts.database, times.now())
        return pages.json({"imported": list(checked), "removed": gone})

    async def _read(self, url: str) -> dict[str, Any]:
        transport = Transport(private=self.parts.private)
        body = b""
        try:
            async with (
                httpx.AsyncClient(transport=transport, timeout=_SECONDS) as client,
                client.stream("GET", url) as answer,
            ):
                if not answer.is_success:
                    raise Invalid(f"url: was answered HTTP {answer.status_code}", field="url")
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > pages.MAX_BODY:
                        raise Invalid(f"url: is over {pages.MAX_BODY} bytes", field="url")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Invalid(f"url: cannot be read: {type(error).__name__}", field="url") from None
        try:
            loaded, _ = load(Feed(), body)
        except Invalid as invalid:
            raise Invalid(f"url: {invalid.detail}", field="url") from None
        return loaded
