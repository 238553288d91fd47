"""Tracking plans: what each source may send, every change of it a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp.api import openapi, pages, refs, samples_quality
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.errors import NotFound
from cdp.forms import load
from cdp.plans import store
from cdp.plans.schema import TrackingPlanSchema, written
from cdp.plans.store import Stored, Version
from cdp.times import from_datetime, iso

_MOST_VERSIONS = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class TrackingPlans:
    """Plans by source."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/tracking-plans", "Data quality", self.parts.keys)
        routes.get(
            "",
            self.list_plans,
            "plans:read",
            openapi.read("All tracking plans", samples_quality.PLANS),
        )
        routes.put(
            "/{source}",
            self.put_plan,
            "plans:write",
            openapi.write(
                "Say what a source may send",
                "TrackingPlanSchema",
                samples_quality.PLAN,
                named="source",
            ),
        )
        routes.get(
            "/{source}",
            self.get_plan,
            "plans:read",
            openapi.read(
                "One tracking plan, now or as it was, and its versions",
                samples_quality.PLAN_VERSIONS,
                named="source",
                takes="version",
            ),
        )
        routes.delete(
            "/{source}",
            self.delete_plan,
            "plans:write",
            openapi.delete("Let a source send anything; the versions stay", named="source"),
        )
        return routes.router

    async def list_plans(self, request: Request) -> Response:
        """Every plan in force."""
        async with self.parts.database.transaction() as connection:
            found = await store.in_force(connection)
        return pages.json({"plans": [_shown(each) for each in found]})

    async def put_plan(self, request: Request) -> Response:
        """Create or change one; collectors go by it within a second."""
        source = refs.source(request)
        loaded, _ = load(TrackingPlanSchema(), await pages.read_body(request))
        async with self.parts.changing(request) as connection:
            if not await store.lock(connection, source):
                raise NotFound(f"there is no source {source}: see `cdp keys list`")
            stored = await store.put(connection, source, loaded)
        await self._renew()
        return pages.json(_shown(stored))

    async def get_plan(self, request: Request) -> Response:
        """One plan."""
        source = refs.source(request)
        number = pages.whole_number(request, "version", 0, 1, _MOST_VERSIONS)
        async with self.parts.database.transaction() as connection:
            if number:
                found = await store.version(connection, source, number)
            else:
                found = await store.current(connection, source)
            versions = await store.versions(connection, source)
        if found is None:
            raise NotFound(f"source {source} has no such plan{_known(versions)}")
        return pages.json(_shown(found) | {"versions": [_told(each) for each in versions]})

    async def delete_plan(self, request: Request) -> Response:
        """Take one out of force."""
        source = refs.source(request)
        async with self.parts.changing(request) as connection:
            locked = await store.lock(connection, source)
            if not locked or not await store.delete(connection, source):
                raise NotFound(f"source {source} has no plan")
        await self._renew()
        return Response(status_code=204)

    async def _renew(self) -> None:
        """Here at once: who changed it may send events now. The others are told."""
        await self.parts.collector.plans.renew(self.parts.database)


def _shown(stored: Stored) -> dict[str, Any]:
    plan, created_at = stored
    at = iso(from_datetime(created_at))
    return {"source": plan.source, "version": plan.version, **written(plan), "created_at": at}


def _told(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "created_at": iso(from_datetime(version.created_at)),
        "owner": version.owner,
        "deleted": version.deleted,
    }


def _known(versions: list[Version]) -> str:
    numbers = ", ".join(str(each.version) for each in versions if not each.deleted)
    return f"; there are versions {numbers}: see ?version=" if numbers else ""
