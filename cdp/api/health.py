"""Liveness, readiness and Prometheus metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from cdp import status
from cdp.api import pages
from cdp.api.parts import Parts
from cdp.metrics import pending

_PATIENCE = 2.0  # seconds: less than whoever asks is likely to wait


def router(parts: Parts, registry: CollectorRegistry) -> APIRouter:
    """The routes that machines watch."""
    routes = APIRouter(tags=["Health"])
    gauges = _Gauges(registry)
    pending.set_function(lambda: parts.appender.pending)

    @routes.get("/health/live", **_about("The process answers"))
    async def live(request: Request) -> Response:
        return pages.json({"status": "ok"})

    @routes.get("/health/ready", **_about("The process and its database answer"))
    async def ready(request: Request) -> Response:
        await parts.database.must_answer(_PATIENCE)
        return pages.json({"status": "ok"})

    @routes.get(
        "/metrics", dependencies=parts.keys.metrics(), **_about("For Prometheus", "text/plain")
    )
    async def metrics(request: Request) -> Response:
        async with parts.database.transaction() as connection:
            gauges.set(await status.read(connection))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes


def _about(summary: str, media_type: str = "application/json") -> dict[str, Any]:
    content: dict[str, Any] = {media_type: {}}
    away = {"description": "The database is away", "content": {"application/json": {}}}
    responses = {200: {"description": "Yes", "content": content}, 503: away}
    return {"summary": summary, "response_model": None, "responses": responses}


class _Gauges:
    """What is read from the database when somebody asks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._single = {
            name: Gauge(f"cdp_{name}", about, registry=registry)
            for name, about in (
                ("events", "Events in the log"),
                ("profiles", "Profiles"),
                ("parked", "Records parked with their error"),
                ("quarantined", "Messages in quarantine"),
                ("uncollected", "Events not stored for lack of consent"),
                ("building", "Definitions on their way through history"),
                ("lag_seconds", "Age of the oldest event that is not handled yet"),
            )
        }
        self._lag = Gauge("cdp_lag", "Records not handled yet", ["topic"], registry=registry)
        self._deliveries = Gauge(
            "cdp_deliveries", "Deliveries by state", ["state"], registry=registry
        )

    def set(self, numbers: dict[str, Any]) -> None:
        for name, gauge in self._single.items():
            gauge.set(numbers[name])
        self._deliveries.clear()  # a state that nobody is in any more must not keep its number
        for topic, lag in numbers["lag"].items():
            self._lag.labels(topic).set(lag)
        for state, count in numbers["deliveries"].items():
            self._deliveries.labels(state).set(count)
