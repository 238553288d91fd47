"""Takes up deliveries that were given up."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from activation.parked import store
from activation.parked.schema import DeliveryReplaySchema, ids_of
from cdp import times
from cdp.api import openapi, pages, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.forms import load


@dataclass(frozen=True, slots=True)
class Parked:
    """One command; the ledger with `state=parked` shows them."""

    parts: Parts

    def router(self) -> APIRouter:
        """The route."""
        routes = Routes("/api/v1/deliveries", "Activation", self.parts.keys)
        routes.post(
            "/replay",
            self.replay,
            "destinations:write",
            openapi.write(
                "Send parked deliveries again",
                "DeliveryReplaySchema",
                samples.DELIVERIES_REPLAYED,
                required=False,
            ),
        )
        return routes.router

    async def replay(self, request: Request) -> Response:
        """They keep their ids; consent is checked anew, as ever."""
        loaded, _ = load(DeliveryReplaySchema(), await pages.read_body(request) or b"{}")
        which = loaded.get("destination"), ids_of(loaded), loaded.get("reason")
        async with self.parts.changing(request) as connection:
            count = await store.replay(connection, *which, times.now())
        return pages.json({"replayed": count, "more": count == store.MOST})
