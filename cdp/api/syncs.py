"""Brings destinations to how things are: when they begin to hear of a segment, and when asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

import activation.store as destinations
from activation.kinds import KINDS
from activation.model import Destination
from activation.syncing import store
from activation.syncing.model import ASKED, FIRST_LOAD, subscribed
from activation.syncing.schema import SyncSchema
from activation.syncing.store import Listed
from cdp.api import openapi, pages, refs, samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, NotFound
from cdp.forms import load
from cdp.times import from_datetime, iso
from profiles import segments

forget = store.forget
_SHOWN = 20
_TOLD = {"waiting": "waiting", "done": "done", "ended": "ended"}  # all else is running


@dataclass(frozen=True, slots=True)
class Syncs:
    """One command, and what came of it."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/destinations/{key}/sync", "Activation", self.parts.keys)
        routes.get(
            "",
            self.list_syncs,
            "destinations:read",
            openapi.read("How far a destination is synced", samples.SYNCS, named="key"),
        )
        routes.post(
            "",
            self.sync,
            "destinations:write",
            openapi.write(
                "Tell a destination who is in its segments, and who is not any more",
                "SyncSchema",
                samples.SYNC,
                named="key",
                required=False,
            ),
        )
        return routes.router

    async def list_syncs(self, request: Request) -> Response:
        """The latest, the newest first."""
        key = refs.key(request)
        async with self.parts.database.transaction() as connection:
            await _found(connection, key)
            found = await store.latest(connection, key, _SHOWN)
        return pages.json({"syncs": [_shown(each) for each in found]})

    async def sync(self, request: Request) -> Response:
        """Begin one."""
        key = refs.key(request)
        loaded, _ = load(SyncSchema(), await pages.read_body(request) or b"{}")
        async with self.parts.changing(request) as connection:
            destination = await _found(connection, key)
            if not destination.enabled:
                raise Conflict("the destination is not enabled: enable it first")
            if not KINDS[destination.kind].changes:
                raise Conflict(f"a destination of kind {destination.kind} is not told of segments")
            if await store.asked_for(connection, key):
                raise Conflict("a sync that was asked for is not over: wait for it")
            keys = subscribed(destination, (await segments.keys(connection)).values())
            if not keys:
                raise Conflict("there is no segment that the destination is told of")
            await store.start(connection, key, ASKED, keys, whole=loaded["full"])
            begun = await latest(connection, key)
        return pages.json(begun)


async def begin(connection: Connection, before: Destination | None, after: Destination) -> None:
    """Have it told who is in already, if it begins to hear of segments."""
    if not after.settings.get("first_load", KINDS[after.kind].changes):
        return
    keys = set((await segments.keys(connection)).values())
    new = subscribed(after, keys) - (subscribed(before, keys) if before else set())
    if new:
        await store.start(connection, after.key, FIRST_LOAD, new, whole=False)


async def latest(connection: Connection, key: str) -> dict[str, Any] | None:
    """A destination's last one, as the API shows it."""
    found = await store.latest(connection, key, 1)
    return _shown(found[0]) if found else None


async def _found(connection: Connection, key: str) -> Destination:
    found = await destinations.find(connection, key)
    if found is None:
        raise NotFound("there is no such destination")
    return found.destination


def _shown(listed: Listed) -> dict[str, Any]:
    run = listed.run
    return {
        "state": _TOLD.get(run.state, "running"),
        "reason": run.reason,
        "full": run.whole,
        "segments": list(run.segments),
        "members": run.members,
        "looked_at": run.looked_at,
        "entered": run.entered,
        "left": run.gone,
        "created_at": iso(from_datetime(listed.created_at)),
        "updated_at": iso(from_datetime(listed.updated_at)),
        "ended_at": iso(from_datetime(listed.ended_at)) if listed.ended_at else None,
    }
