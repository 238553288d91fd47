"""What operators do with the preference centre: links, opt-ins, and how its pages look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import times
from cdp.api import acting, openapi, pages, refs
from cdp.api import samples_preferences as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.errors import Invalid
from cdp.events import Identifier
from cdp.forms import load
from cdp.preferences import model, store, token
from cdp.preferences.choices import Deciding
from cdp.preferences.schema import BrandSchema, LinkSchema, OptInSchema
from cdp.preferences.store import Brand
from cdp.preferences.token import SCOPES, Link, Scope

_DAY = 86_400 * times.SECOND
# Laws want an unsubscribe link to work for at least 30 days; people tidy up later than that.
_UNSUBSCRIBE_DAYS = 730
_PATHS = {"preferences": "", "unsubscribe": "unsubscribe/", "confirm": "confirm/"}


@dataclass(frozen=True, slots=True)
class Preferences:
    """Links and opt-ins; `base_url` says where people reach us."""

    parts: Parts
    deciding: Deciding
    base_url: Callable[[Request], str]

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/preferences", "Preference centre", self.parts.keys)
        routes.post(
            "/links",
            self.mint,
            "consent:write",
            openapi.write("Make a link for one person", "LinkSchema", samples.LINK),
        )
        routes.delete(
            "/links/{ref:path}",
            self.revoke,
            "consent:write",
            openapi.delete("Take back links of somebody", named="identifier", takes="links"),
        )
        routes.post(
            "/opt-in",
            self.ask,
            "consent:write",
            openapi.write("Begin a double opt-in", "OptInSchema", samples.OPT_IN),
        )
        routes.get("/brand", self.get_brand, "consent:read", openapi.read("Brand", samples.BRAND))
        routes.put(
            "/brand",
            self.put_brand,
            "consent:write",
            openapi.write("Let the pages look like yours", "BrandSchema", samples.BRAND),
        )
        return routes.router

    async def mint(self, request: Request) -> Response:
        """A link to somebody's preferences, and what a message's headers say of unsubscribing."""
        loaded, _ = load(LinkSchema(), await pages.read_body(request))
        who = await self._who(request, loaded)
        now, purpose, about = times.now(), loaded["purpose"], loaded.get("delivery", "")
        ends = now + loaded["days"] * _DAY
        url, text = self._url(
            request, token.new(who, now, ends, about=about), "preferences", loaded
        )
        leave = token.new(who, now, now + _UNSUBSCRIBE_DAYS * _DAY, purpose=purpose, about=about)
        leave_url, _ = self._url(request, leave, "unsubscribe", loaded)
        told = {"url": url, "token": text, "expires_at": times.iso(ends)}
        headers = {
            "List-Unsubscribe": f"<{leave_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        return pages.json(told | {"unsubscribe_url": leave_url, "headers": headers})

    async def revoke(self, request: Request) -> Response:
        """All links that somebody has by now, or those of one scope."""
        ref = request.path_params["ref"]
        if "\x00" in ref:
            raise Invalid("ref must not have a NUL in it", field="ref")
        who = _identifier(ref, "ref")
        scope = request.query_params.get("scope")
        if scope is not None and scope not in SCOPES:
            raise Invalid(f"scope must be one of {', '.join(SCOPES)}", field="scope")
        async with self.parts.changing(request) as connection:
            subject, scopes = self.parts.vault.subject(*who), [scope] if scope else SCOPES
            await store.revoke(connection, subject, scopes, times.now())
        return Response(status_code=204)

    async def ask(self, request: Request) -> Response:
        """Note that somebody asked, and make the link that confirms it."""
        loaded, _ = load(OptInSchema(), await pages.read_body(request))
        who = await self._who(request, loaded)
        names = ("source", "notice", "jurisdiction", "language")
        said = {each: loaded[each] for each in names if each in loaded}
        asked = await self.deciding.ask(who, {"asked": loaded["purpose"]} | said)
        now = times.now()
        link = token.new(
            who,
            now,
            now + loaded["days"] * _DAY,
            purpose=loaded["purpose"],
            about=asked.id.hex(),
        )
        url, text = self._url(request, link, "confirm", loaded)
        told = {"url": url, "token": text, "expires_at": times.iso(link.expires_at)}
        return pages.json(told | {"asked_at": times.iso(asked.at), "fact": asked.id.hex()})

    async def get_brand(self, request: Request) -> Response:
        """How the pages look."""
        async with self.parts.database.transaction() as connection:
            return pages.json((await store.brand(connection))._asdict())

    async def put_brand(self, request: Request) -> Response:
        """Name, colour, logo, address."""
        loaded, _ = load(BrandSchema(), await pages.read_body(request))
        brand = Brand(**loaded)
        async with self.parts.changing(request) as connection:
            await store.put_brand(connection, brand)
        return pages.json(brand._asdict())

    async def _who(self, request: Request, loaded: dict[str, Any]) -> Identifier:
        """Whom a body names, for a purpose that they may say no to."""
        who = _identifier(loaded["identifier"], "identifier")
        acting.named(request, who)
        if loaded["purpose"] == model.ALWAYS:
            raise Invalid(f"purpose: nobody is asked for {model.ALWAYS}", field="purpose")
        async with self.parts.database.transaction() as connection:
            await refs.known_purpose(connection, loaded["purpose"])
        return who

    def _url(
        self, request: Request, link: Link, scope: Scope, loaded: dict[str, Any]
    ) -> tuple[str, str]:
        text = token.sealed(link, scope, self.parts.vault.links)
        asked = f"?lang={loaded['language']}" if "language" in loaded else ""
        base = self.base_url(request).rstrip("/")
        return f"{base}/preferences/{_PATHS[scope]}{text}{asked}", text


def _identifier(ref: str, field: str) -> Identifier:
    try:
        named = refs.identifier(ref)
    except Invalid as error:
        raise Invalid(error.detail, field=field) from None
    if not isinstance(named, Identifier):
        raise Invalid("a link is for one identifier: namespace:value", field=field)
    return named
