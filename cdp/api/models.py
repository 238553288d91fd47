"""Models that are learned from people: define them, fit them, and make segments of clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp.api import defined, openapi, pages, refs, samples_segments
from cdp.api import modelled as show
from cdp.api import samples_models as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.api.segments import shown as shown_segment
from cdp.db import Connection
from cdp.errors import Conflict, NotFound
from cdp.forms import load, read
from profiles import computed, defining, segments
from profiles.models import fits, store
from profiles.models.schema import ClusterSegmentSchema, form_of
from profiles.models.store import Model


@dataclass(frozen=True, slots=True)
class Models:
    """Everything about models. What one predicts is the computed trait with its key."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/models", "Models", self.parts.keys)
        scope, change = "segments:read", "segments:write"
        routes.get("", self.list_models, scope, openapi.read("All models", samples.MODELS))
        routes.put(
            "/{key}",
            self.put_model,
            change,
            openapi.write("Define a model", "Model", samples.MODEL, named="key"),
        )
        routes.get(
            "/{key}",
            self.get_model,
            scope,
            openapi.read("One model", samples.MODEL, named="key"),
        )
        routes.delete(
            "/{key}",
            self.delete_model,
            change,
            openapi.delete("Delete a model and its computed trait, if no segment refers to that"),
        )
        routes.get(
            "/{key}/versions",
            self.get_versions,
            scope,
            openapi.read("How a model was and is defined", samples.VERSIONS, named="key"),
        )
        routes.get(
            "/{key}/fits",
            self.get_fits,
            scope,
            openapi.read("What was learned each time, latest first", samples.FITS, named="key"),
        )
        routes.post(
            "/{key}/fit",
            self.fit_model,
            change,
            openapi.act("Fit a model now", samples.MODEL, named="key"),
        )
        routes.post(
            "/{key}/clusters/{cluster}/segment",
            self.make_segment,
            change,
            openapi.write(
                "Make a segment of a cluster",
                "ClusterSegmentSchema",
                samples_segments.SEGMENT,
                named="cluster",
            ),
        )
        return routes.router

    async def list_models(self, request: Request) -> Response:
        """Every model."""
        async with self.parts.database.transaction() as connection:
            found = await store.listed(connection)
            told = [await self._shown(connection, each) for each in found]
        return pages.json({"models": told})

    async def put_model(self, request: Request) -> Response:
        """Create or change one, and the computed trait that shows what it predicts."""
        key, body = refs.key(request), await pages.read_body(request)
        definition, _ = load(form_of(read(body)), body)
        name, purpose = definition.pop("name"), definition.pop("purpose")
        async with self.parts.changing(request) as connection:
            await refs.known_purpose(connection, purpose)
            await self._has_trait(connection, key)
            await store.put(connection, key, name, purpose, definition)
            await computed.put(connection, key, name, purpose, {"predicted": key})
            found = await self._shown(connection, await _found(connection, key))
        return pages.json(found)

    @staticmethod
    async def _has_trait(connection: Connection, key: str) -> None:
        trait = await computed.find(connection, key)
        if trait is not None and trait.wanted != {"predicted": key}:
            raise Conflict(f"there is a computed trait {key} already; take another key")

    async def get_model(self, request: Request) -> Response:
        """One model."""
        async with self.parts.database.transaction() as connection:
            found = await _found(connection, refs.key(request))
            return pages.json(await self._shown(connection, found))

    async def delete_model(self, request: Request) -> Response:
        """Remove one, what it learned, and its computed trait."""
        key = refs.key(request)
        async with self.parts.changing(request) as connection:
            await _found(connection, key)
            await defined.unused(connection, "computed", key)
            await computed.delete(connection, key)
            await defined.unused(connection, "model", key)
            await store.delete(connection, key)
        return Response(status_code=204)

    async def get_versions(self, request: Request) -> Response:
        """Each definition it ever had, the latest first; also of one that was deleted."""
        key = refs.key(request)
        async with self.parts.database.transaction() as connection:
            found = await defining.versions(connection, "model", key)
        if not found:
            raise NotFound(f"there was never a model {key}")
        told = [{**defined.shown(each), **show.defined(each.definition)} for each in found]
        return pages.json({"versions": told})

    async def get_fits(self, request: Request) -> Response:
        """What was learned, with curves and metrics."""
        async with self.parts.database.transaction() as connection:
            model = await _found(connection, refs.key(request))
            found = await fits.listed(connection, model.id)
        return pages.json({"fits": [show.fit(self.parts.vault, each) for each in found]})

    async def fit_model(self, request: Request) -> Response:
        """It is fitted as soon as its counters are complete."""
        async with self.parts.changing(request) as connection:
            model = await _found(connection, refs.key(request))
            await store.ask(connection, model.key)
            asked = await self._shown(connection, await _found(connection, model.key))
        return pages.json(asked)

    async def make_segment(self, request: Request) -> Response:
        """Whoever is in the cluster, now and from now on."""
        loaded, _ = load(ClusterSegmentSchema(), await pages.read_body(request))
        key, cluster = loaded["key"], request.path_params["cluster"]
        async with self.parts.changing(request) as connection:
            model = await _found(connection, refs.key(request))
            if cluster not in await self._clusters(connection, model):
                raise NotFound(f"model {model.key} has no cluster {cluster}")
            purpose = loaded.get("purpose", model.purpose)
            await refs.known_purpose(connection, purpose)
            where = {"computed": model.key, "eq": cluster}
            if await segments.find(connection, key) is not None:
                raise Conflict(f"there is a segment {key} already; take another key")
            await segments.put(connection, key, loaded["name"], purpose, where)
            made = await segments.find(connection, key)
        assert made is not None
        return pages.json(shown_segment(made))

    async def _clusters(self, connection: Connection, model: Model) -> set[str]:
        if model.fit is None:
            return set()
        fit = await fits.find(connection, model.id, model.fit)
        report = show.fit(self.parts.vault, fit)["report"] if fit is not None else {}
        return {each["id"] for each in report.get("clusters", ())}

    async def _shown(self, connection: Connection, model: Model) -> dict[str, Any]:
        latest = await fits.listed(connection, model.id, 1)
        current = await fits.find(connection, model.id, model.fit) if model.fit else None
        return show.model(self.parts.vault, model, next(iter(latest), None), current)


async def _found(connection: Connection, key: str) -> Model:
    model = await store.find(connection, key)
    if model is None:
        raise NotFound(f"there is no model {key}")
    return model
