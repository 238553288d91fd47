"""Data quality: what was received of each event, and what is odd about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import times
from cdp.api import openapi, pages, refs, samples_quality
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.quality import report, store
from cdp.quality.anomalies import MOST_HISTORY
from cdp.quality.report import Window
from cdp.quality.sights import HOUR
from cdp.quality.store import Asked, Hours
from cdp.quality.tally import hour_of

MOST_HOURS = 168


@dataclass(frozen=True, slots=True)
class Quality:
    """Counts, drift and anomalies."""

    parts: Parts

    def router(self) -> APIRouter:
        """The route."""
        routes = Routes("/api/v1/quality", "Data quality", self.parts.keys)
        routes.get(
            "",
            self.read_quality,
            "quality:read",
            openapi.read(
                "What was received of each event, drift and anomalies",
                samples_quality.QUALITY,
                takes="quality",
            ),
        )
        return routes.router

    async def read_quality(self, request: Request) -> Response:
        """By source and event, the busiest first."""
        hours = pages.whole_number(request, "hours", 24, 1, MOST_HOURS)
        event, most = pages.text(request, "event") or None, pages.limit(request)
        asked = Asked(refs.source_asked(request), event)
        last = hour_of(times.now())
        window = Window(last - (hours - 1) * HOUR, last)
        tally = self.parts.collector.tally
        await tally.flush()
        before = window.first - hours * HOUR
        wanted = Hours(window.first, before, window.first - MOST_HISTORY * HOUR)
        async with self.parts.database.transaction() as connection:
            counted = await store.found(connection, tally.names, asked, wanted)
        found = await asyncio.to_thread(report.told, window, counted)
        bounds = {"from": times.iso(window.first), "to": times.iso(last + HOUR), "hours": hours}
        return pages.json(bounds | {"events": found[:most]})
