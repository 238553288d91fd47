"""POST /bounces/{destination}: what an e-mail provider's own webhook says of what was sent."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
from fastapi import APIRouter, Request
from starlette.responses import Response

import activation.store as delivery_store
from activation.mail.providers import PROVIDERS
from activation.mail.providers.protocol import NotTheirs, Posted
from activation.mail.reports import Report, Unreadable
from activation.opening import secrets_of
from activation.reaching import Transport
from cdp import times
from cdp.api import pages, refs
from cdp.api.bounces import addressed, tell
from cdp.api.destinations import opened_secret
from cdp.api.parts import Parts
from cdp.collect.request import Visitors
from cdp.errors import Invalid, NotFound, Overloaded, Unauthorized
from cdp.limits import caller
from cdp.suppression import store as suppressions

_SECONDS = 10.0
_MOST_BYTES = 100_000
_MOST_KEPT = 16  # certificates


@dataclass(frozen=True, slots=True)
class Providing:
    """Open to providers: each shows in its own way that a request is its own."""

    parts: Parts
    visitors: Visitors
    kept: dict[str, bytes] = field(default_factory=dict)

    def router(self) -> APIRouter:
        """The route; what is posted is as each provider documents it."""
        router = APIRouter(prefix="/bounces", include_in_schema=False)
        router.add_api_route("/{key}", self.take, methods=["POST"])
        return router

    async def take(self, request: Request) -> Response:
        """Facts of whom the e-mails were to; what was not sent by this destination is left out."""
        rates = self.parts.collector.rates
        if rates.address is not None:
            await rates.limits.take(rates.address, caller(self.visitors.address(request)))
        key, body = refs.key(request), await pages.read_body(request)
        provider, secret = await self._provider(key)
        headers = {name.lower(): value for name, value in request.headers.items()}
        posted = Posted(headers, body, secret, times.now() // times.SECOND, self._fetch)
        try:
            reports = await PROVIDERS[provider](posted)
        except NotTheirs:
            raise Unauthorized(f"nothing shows that {provider} has sent this") from None
        except Unreadable as error:
            raise Invalid(str(error)) from None
        taken = [await self._note(key, each) for each in reports]
        return pages.json({"taken": sum(taken)})

    async def _provider(self, key: str) -> tuple[str, str]:
        """Whose webhook it is, and what shows that."""
        async with self.parts.database.transaction() as connection:
            found = await delivery_store.find(connection, key)
        provider = found.destination.settings.get("provider") if found is not None else ""
        if found is None or not provider:
            raise NotFound("there is no e-mail destination of that name with a provider")
        secret = secrets_of(opened_secret(self.parts, found)).get("provider_secret", "")
        if not secret:
            raise Unauthorized("the destination has no provider_secret")
        return provider, secret

    async def _note(self, key: str, report: Report) -> bool:
        try:
            delivery, address = await addressed(self.parts, report)
        except NotFound:
            return False
        if delivery.destination != key:
            return False
        await tell(self.parts, report, delivery, address)
        if report.lasting:
            async with self.parts.database.transaction() as connection:
                subject = self.parts.vault.subject("email", address)
                why = suppressions.BOUNCED if report.kind == "bounced" else ""
                await suppressions.suppress(connection, [subject], why)
        return True

    async def _fetch(self, url: str) -> bytes:
        """What is there; certificates are kept."""
        if url in self.kept:
            return self.kept[url]
        transport = Transport(private=False)
        try:
            async with httpx.AsyncClient(transport=transport, timeout=_SECONDS) as client:
                answer = await client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Overloaded(f"{type(error).__name__}: try again in a moment") from None
        if not answer.is_success or len(answer.content) > _MOST_BYTES:
            raise Unauthorized("what it leads to is not there")
        if url.endswith(".pem") and len(self.kept) < _MOST_KEPT:
            self.kept[url] = answer.content
        return answer.content
