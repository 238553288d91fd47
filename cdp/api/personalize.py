"""GET /personalize/content: what a visitor sees in a page's slots; and why."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from fastapi import APIRouter, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from cdp import times
from cdp.api import openapi, samples_web
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.collect.request import Visitors
from cdp.errors import Invalid, NotFound
from cdp.events import Identifier
from cdp.limits import caller
from cdp.personalizing import reasons, token
from cdp.personalizing.blocks import Blocks
from cdp.personalizing.deciding import Asked, Deciding
from cdp.personalizing.reading import Reader
from identity.identifiers import ANONYMOUS_ID, USER_ID, normalised

CONTENT, WHY = "/personalize/content", "/personalize/why"
_SLOT = re.compile("[a-z0-9][a-z0-9_-]{0,63}")
_LOCALE = re.compile("[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,3}")
_MOST_SLOTS = 20
_NAMED = (("user_id", USER_ID), ("anonymous_id", ANONYMOUS_ID))
_OWN = {"Cache-Control": "private, no-cache", "Vary": "Origin"}
_SAME = {"Cache-Control": "public, max-age=60", "Vary": "Origin"}

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Personalize:
    """Open to pages with a write key, and to servers with an API key."""

    parts: Parts
    visitors: Visitors
    deciding: Deciding

    @classmethod
    def of(cls, parts: Parts, visitors: Visitors) -> Personalize:
        """Made of what all routes have."""
        reader = Reader(parts.database, parts.people, parts.catalogue, parts.questions)
        blocks = Blocks(parts.catalogue, parts.vault.digest)
        return cls(parts, visitors, Deciding(parts.vault, reader, parts.catalogue, blocks))

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1", "Web", self.parts.keys)
        routes.get(
            CONTENT,
            self._for_servers,
            "content:decide",
            openapi.read("What somebody sees, for servers", samples_web.BLOCKS, takes="slots"),
            personal=True,
        )
        open_ = APIRouter(tags=["Web"])
        open_.add_api_route(CONTENT, self._for_pages, methods=["GET"], **samples_web.OPEN_CONTENT)
        open_.add_api_route(WHY, self._why, methods=["GET"], **samples_web.OPEN_WHY)
        open_.include_router(routes.router)
        return open_

    def gets(self) -> dict[str, Handler]:
        """What carries the load, by path: see `cdp.api.front`."""
        return {CONTENT: self._for_pages}

    async def _for_pages(self, request: Request) -> Response:
        await self._admitted(request)
        visit = self.visitors.visit(request, CONTENT, "", None, browser=True)
        await self.parts.collector.source(visit._replace(strict=True))
        return await self._answer(request, proven=False)

    async def _for_servers(self, request: Request) -> Response:
        return await self._answer(request, proven=True)

    async def _answer(self, request: Request, *, proven: bool) -> Response:
        asked = _asked(request.query_params, proven=proven)
        found = await self.deciding.decide(asked, times.now())
        body = msgspec.json.encode(found)
        tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, **(_OWN if asked.who else _SAME)}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    async def _why(self, request: Request) -> Response:
        """For the person: as a page, or as JSON."""
        await self._admitted(request)
        decision = token.read(request.query_params.get("decision", ""), self.deciding.vault.digest)
        content = self.deciding.catalogue.find(decision.content)
        if content is None:
            raise NotFound("that is not shown any more", field="decision")
        told = reasons.about(content)
        if "text/html" in request.headers.get("accept", ""):
            return Response(_page(told), media_type="text/html")
        body = msgspec.json.encode({"slot": decision.slot, "reasons": told})
        return Response(body, media_type="application/json")

    async def _admitted(self, request: Request) -> None:
        rates = self.parts.collector.rates
        if rates.address is not None:
            await rates.limits.take(rates.address, caller(self.visitors.address(request)))


def _asked(query: QueryParams, *, proven: bool) -> Asked:
    slots = query.getlist("slot")
    if not 1 <= len(slots) <= _MOST_SLOTS or not all(map(_SLOT.fullmatch, slots)):
        raise Invalid(
            f"slot must be given, up to {_MOST_SLOTS} times, with a-z, 0-9, - and _", field="slot"
        )
    locales = query.getlist("locale")
    if len(locales) > 10 or not all(map(_LOCALE.fullmatch, locales)):
        raise Invalid("locale must be a language tag, like en or de-AT", field="locale")
    wanted = query.get("personalized", "true")
    if wanted not in {"true", "false"}:
        raise Invalid("personalized must be true or false", field="personalized")
    own = wanted == "true"
    who = list(_who(query)) if own else []
    return Asked(who, slots, [each.replace("_", "-") for each in locales], own, proven)


def _who(query: QueryParams) -> Sequence[Identifier]:
    found = [normalised(namespace, query.get(name, "")) for name, namespace in _NAMED]
    return [each for each in found if each is not None]


def _page(told: Sequence[str]) -> str:
    """No script and no style: it is for reading, in whatever way somebody reads."""
    said = "".join(f"<li>{html.escape(each)}</li>" for each in told)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Why you see this</title></head>'
        f"<body><main><h1>Why you see this</h1><ul>{said}</ul></main></body></html>"
    )
