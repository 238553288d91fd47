"""GET /r/{token}: an e-mail was opened, or a link in it followed; whoever reads comes first."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse
from starlette.responses import Response as Answer

import activation.store as delivery_store
import identity.store as identity_store
from activation.mail.writing import address_of
from cdp import times
from cdp.api.parts import Parts
from cdp.collect.pixel import GIF
from cdp.collect.request import Visitors
from cdp.delivery import responses
from cdp.delivery.responses import Response
from cdp.errors import Overloaded, StoreUnavailable
from cdp.events import Identifier
from cdp.limits import caller
from cdp.log.writing import fact_of

_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Responding:
    """Open to readers: the token is the whole credential."""

    parts: Parts
    visitors: Visitors

    def router(self) -> APIRouter:
        """The route; programs that look first (HEAD) are no readers."""
        router = APIRouter(prefix=responses.PATH, include_in_schema=False)
        router.add_api_route("/{token}", self.respond, methods=["GET", "HEAD"])
        return router

    async def respond(self, request: Request) -> Answer:
        """Where the link leads, or the picture, whatever becomes of noting it."""
        rates = self.parts.collector.rates
        if rates.address is not None:
            await rates.limits.take(rates.address, caller(self.visitors.address(request)))
        response = responses.opened(request.path_params["token"], self.parts.vault.links)
        if request.method == "GET" and times.now() < response.ends:
            with suppress(StoreUnavailable, Overloaded):  # then it is not counted
                await self._note(response)
        if response.url:
            return RedirectResponse(response.url, status_code=302, headers=_HEADERS)
        return Answer(GIF, media_type="image/gif", headers=_HEADERS)

    async def _note(self, response: Response) -> None:
        """Of who still allows it; suppressed and erased people are not there."""
        async with self.parts.database.transaction() as connection:
            found = await delivery_store.lookup(connection, response.delivery)
            if found is None:
                return
            profile = await identity_store.profile_of(connection, found.profile) or found.profile
            view = (await self.parts.people.load(connection, [profile])).get(profile, {})
        address = address_of(view)
        if not address or not responses.allows(view):
            return
        who = Identifier("email", address)
        event = responses.fact(self.parts.vault, response, found, who)
        subject = self.parts.vault.subject(*who)
        await self.parts.appender.append([fact_of(event, subject, consent=False)])
