"""How large segments were, and who was in them, by the ledger of entries and exits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import times
from cdp.api import openapi, pages, refs, samples_history
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Invalid, NotFound
from cdp.events import Instant
from cdp.past import store
from cdp.times import from_datetime, iso
from profiles import segments
from profiles.segments import Segment

EVERY = {"1h": 3600 * times.SECOND, "1d": 86_400 * times.SECOND}
_MOST = 1000  # points of a history
_MONTH = 30 * EVERY["1d"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Reading what was of segments."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/segments", "Segments", self.parts.keys)
        routes.get(
            "/{key}/size",
            self.get_size,
            "segments:read",
            openapi.read(
                "How many people are in a segment, or were",
                samples_history.SIZE,
                named="key",
                takes="as_of",
            ),
        )
        routes.get(
            "/{key}/sizes",
            self.get_sizes,
            "segments:read",
            openapi.read(
                "How large a segment was, day by day or hour by hour",
                samples_history.SIZES,
                named="key",
                takes="sizes",
            ),
        )
        return routes.router

    async def get_size(self, request: Request) -> Response:
        """Now, or at a moment."""
        at = pages.instant(request, "as_of")
        async with self.parts.database.transaction() as connection:
            segment = await found(connection, refs.key(request), at)
            size = segment.size
            if at is not None:
                (size,) = await store.sizes(connection, segment.key, [at])
        shown = times.now() if at is None else at
        return pages.json({"key": segment.key, "as_of": iso(shown), "size": size})

    async def get_sizes(self, request: Request) -> Response:
        """From the first moment in even steps, and at the last one."""
        until = pages.instant(request, "to") or times.now()
        since = pages.instant(request, "from")
        step = _step(request)
        async with self.parts.database.transaction() as connection:
            segment = await found(connection, refs.key(request), until)
            ats = _points(segment, until - _MONTH if since is None else since, until, step)
            sizes = await store.sizes(connection, segment.key, ats)
        points = [{"at": iso(at), "size": n} for at, n in zip(ats, sizes, strict=True)]
        return pages.json({"key": segment.key, "sizes": points})


async def found(connection: Connection, key: str, at: Instant | None) -> Segment:
    """A segment that was there then: one of that name that was deleted before is another one."""
    segment = await segments.find(connection, key)
    if segment is None:
        raise NotFound(f"there is no segment {key}")
    if at is not None and at < from_datetime(segment.created_at):
        since = iso(from_datetime(segment.created_at))
        raise NotFound(f"there was no segment {key} yet: it was defined at {since}")
    return segment


async def members(
    connection: Connection, segment: Segment, at: Instant, after: bytes, limit: int
) -> dict[str, Any]:
    """A page of who was in a segment, by their profile ids of then."""
    page = await store.members(connection, segment.key, at, after, limit)
    last = page[-1].profile if len(page) == limit else None
    told = [{"profile_id": str(uuid.UUID(bytes=p)), "since": iso(since)} for p, since in page]
    return {"members": told, "next": pages.next_cursor(last)}


def _step(request: Request) -> Instant:
    every = request.query_params.get("every", "1d")
    if every not in EVERY:
        raise Invalid("every must be 1d or 1h", field="every")
    return EVERY[every]


def _points(segment: Segment, since: Instant, until: Instant, step: Instant) -> list[Instant]:
    """Those before there was the segment are left out; the last moment is always one."""
    pages.in_order(since, until)
    if (until - since) // step + 2 > _MOST:
        raise Invalid(f"that would be over {_MOST} points: ask for less at once", field="from")
    born = from_datetime(segment.created_at)
    return [at for at in range(since, until, step) if at >= born] + [until]
