"""Computed traits: what people's events amount to, under a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp.api import defined, openapi, pages, refs
from cdp.api import samples_segments as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, Invalid, NotFound
from cdp.forms import load
from cdp.times import from_datetime, iso
from profiles import computed, defining
from profiles.computed import ComputedTrait
from profiles.language.schema import ComputedTraitSchema
from profiles.language.text import writing
from profiles.models import store as models


@dataclass(frozen=True, slots=True)
class ComputedTraits:
    """Everything about computed traits."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/traits", "Computed traits", self.parts.keys)
        routes.get(
            "",
            self.list_traits,
            "segments:read",
            openapi.read("All computed traits", samples.TRAITS),
        )
        routes.put(
            "/{key}",
            self.put_trait,
            "segments:write",
            openapi.write(
                "Define a computed trait",
                "ComputedTraitSchema",
                samples.TRAIT,
                named="key",
            ),
        )
        routes.get(
            "/{key}",
            self.get_trait,
            "segments:read",
            openapi.read("One computed trait", samples.TRAIT, named="key"),
        )
        routes.delete(
            "/{key}",
            self.delete_trait,
            "segments:write",
            openapi.delete("Delete a computed trait that no segment refers to"),
        )
        routes.get(
            "/{key}/versions",
            self.get_versions,
            "segments:read",
            openapi.read(
                "What a computed trait was and is",
                samples.TRAIT_VERSIONS,
                named="key",
            ),
        )
        return routes.router

    async def list_traits(self, request: Request) -> Response:
        """Every computed trait."""
        async with self.parts.database.transaction() as connection:
            found = await computed.listed(connection)
        return pages.json({"traits": [_shown(each) for each in found]})

    async def put_trait(self, request: Request) -> Response:
        """Create or change one."""
        key = refs.key(request)
        loaded, _ = load(ComputedTraitSchema(), await pages.read_body(request))
        async with self.parts.changing(request) as connection:
            await refs.known_purpose(connection, loaded["purpose"])
            await _check(connection, key, loaded["value"])
            await computed.put(connection, key, **loaded)
            found = await _found(connection, key)
        return pages.json(_shown(found))

    async def get_trait(self, request: Request) -> Response:
        """One computed trait."""
        async with self.parts.database.transaction() as connection:
            return pages.json(_shown(await _found(connection, refs.key(request))))

    async def delete_trait(self, request: Request) -> Response:
        """Remove one."""
        key = refs.key(request)
        async with self.parts.changing(request) as connection:
            await defined.unused(connection, "computed", key)
            if await models.find(connection, key) is not None:
                raise Conflict(f"{key} is what model {key} predicts; delete that")
            if not await computed.delete(connection, key):
                raise NotFound(f"there is no computed trait {key}")
        return Response(status_code=204)

    async def get_versions(self, request: Request) -> Response:
        """Each definition it ever had, the latest first; also of one that was deleted."""
        key = refs.key(request)
        async with self.parts.database.transaction() as connection:
            found = await defining.versions(connection, "computed", key)
        if not found:
            raise NotFound(f"there was never a computed trait {key}")
        told = [
            {
                **defined.shown(each),
                "value": each.definition,
                "text": writing.value_text(each.definition),
            }
            for each in found
        ]
        return pages.json({"versions": told})


async def _check(connection: Connection, key: str, value: Mapping[str, Any]) -> None:
    """What a model predicts has its key, and there is such a model."""
    if await models.find(connection, key) is not None and value != {"predicted": key}:
        raise Conflict(f"{key} is what model {key} predicts; take another key")
    model = value.get("predicted", key)
    if "predicted" in value and await models.find(connection, model) is None:
        raise Invalid(f"value: there is no model {model}", field="value")


async def _found(connection: Connection, key: str) -> ComputedTrait:
    trait = await computed.find(connection, key)
    if trait is None:
        raise NotFound(f"there is no computed trait {key}")
    return trait


def _shown(trait: ComputedTrait) -> dict[str, Any]:
    return {
        "key": trait.key,
        "name": trait.name,
        "purpose": trait.purpose,
        "value": trait.wanted,
        "text": writing.value_text(trait.wanted),
        "state": "live" if trait.build_state == "done" else "building",
        "version": trait.version,
        "created_at": iso(from_datetime(trait.created_at)),
        "updated_at": iso(from_datetime(trait.updated_at)),
        "progress": round(float(trait.progress), 3),
    }
