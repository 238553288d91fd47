"""The HTTP application: collector and management API in one process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from activation.schema import DestinationSchema
from cdp import __version__
from cdp.api import health, openapi, problems
from cdp.api.consent import Consent
from cdp.api.destinations import Destinations
from cdp.api.front import Front
from cdp.api.identity import Identity
from cdp.api.matching import Matching
from cdp.api.parts import Parts
from cdp.api.profiles import Profiles
from cdp.api.quarantine import Quarantine, ReplaySchema
from cdp.api.rules import IdentityRules
from cdp.api.segments import Segments
from cdp.collect.cors import CollectorCors
from cdp.collect.routes import Collecting
from cdp.forms import Form
from consent.schema import DecisionSchema, PurposeSchema
from identity.matching.schema import MatchingSchema
from identity.schema import RulesSchema, RulingSchema
from profiles.schema import SegmentSchema

FORMS: tuple[type[Form], ...] = (
    SegmentSchema,
    DecisionSchema,
    PurposeSchema,
    DestinationSchema,
    ReplaySchema,
    RulingSchema,
    RulesSchema,
    MatchingSchema,
)

# In this order: the last route of Identity takes any path for a person's name.
RESOURCES = (
    Profiles,
    IdentityRules,
    Matching,
    Identity,
    Segments,
    Consent,
    Destinations,
    Quarantine,
)


def create(
    parts: Parts,
    collecting: Collecting,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """All routes; those that carry the load are answered by `Front`, and described here."""
    app = FastAPIOffline(
        title="Customer data platform",
        version=__version__,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(collecting.router())
    for resource in RESOURCES:
        app.include_router(resource(parts).router())
    app.include_router(health.router(parts, CollectorRegistry()))
    problems.install(app)
    openapi.install(app, FORMS)
    behind = app.build_middleware_stack  # called once, before the first request

    def in_front() -> ASGIApp:
        return CollectorCors(Front(behind(), collecting.posts()))

    app.build_middleware_stack = in_front  # type: ignore[method-assign]
    return app
