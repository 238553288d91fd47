"""POST /push/subscriptions: a browser or an app that takes push messages, as it says itself."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from activation import store
from activation.kinds.webpush import KIND
from activation.opening import secrets_of
from activation.push import model
from activation.push.schema import SubscribingSchema, address, kept
from activation.push.sealing import public
from cdp.api import pages, samples_web
from cdp.api.destinations import opened_secret
from cdp.api.parts import Parts
from cdp.collect.request import Visitors
from cdp.delivery import subscriptions
from cdp.errors import Invalid, NotFound
from cdp.forms import load
from cdp.limits import caller
from cdp.log.writing import fact_of
from identity import identifiers

_SUBSCRIPTIONS, _KEY = "/push/subscriptions", "/push/key"


@dataclass(frozen=True, slots=True)
class Pushing:
    """Open to pages with a write key."""

    parts: Parts
    visitors: Visitors

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["Web"])
        router.add_api_route(
            _SUBSCRIPTIONS, self._subscribe, methods=["POST"], **samples_web.OPEN_SUBSCRIBE
        )
        router.add_api_route(_KEY, self._key, methods=["GET"], **samples_web.OPEN_KEY)
        return router

    async def _subscribe(self, request: Request) -> Response:
        """It is a fact of its person, stored like a necessary one: they asked for it themselves."""
        loaded, _ = load(SubscribingSchema(), await pages.read_body(request))
        await self._admitted(request, loaded["write_key"])
        value = None if loaded["removed"] else kept(loaded)
        name = model.trait(loaded["kind"], address(loaded))
        who = {each: loaded[each] for each in ("user_id", "anonymous_id") if loaded[each]}
        event = subscriptions.told(self.parts.vault, {name: value}, who)
        if identifiers.subject(event) is None:
            raise Invalid("userId or anonymousId must say whose it is", field="userId")
        subject = self.parts.collector.subject_of(event)
        await self.parts.appender.append([fact_of(event, subject, consent=False)], [])
        return pages.json({"success": True})

    async def _key(self, request: Request) -> Response:
        """What pages subscribe with: the first destination's that pushes to browsers."""
        await self._admitted(request, None)
        async with self.parts.database.transaction() as connection:
            found = await store.destinations(connection)
        for each in found:
            if each.destination.kind == KIND and each.destination.enabled:
                secrets = secrets_of(opened_secret(self.parts, each))
                return pages.json({"key": public(secrets["private_key"])})
        raise NotFound("there is no destination of kind webpush")

    async def _admitted(self, request: Request, key: str | None) -> None:
        rates = self.parts.collector.rates
        if rates.address is not None:
            await rates.limits.take(rates.address, caller(self.visitors.address(request)))
        visit = self.visitors.visit(request, request.url.path, "", key, browser=True)
        await self.parts.collector.source(visit._replace(strict=True))
