"""The HTTP application: collector and management API in one process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from activation.campaigns.schema import CampaignSchema
from activation.content.feed import ImportSchema
from activation.content.schema import ContentSchema
from activation.pacing.schema import PacingSchema
from activation.parked.schema import DeliveryReplaySchema
from activation.push.schema import SubscribingSchema
from activation.syncing.schema import SyncSchema
from activation.templates.schema import TemplateSchema
from cdp import __version__, metrics
from cdp.api import health, openapi, problems, reference, scripts
from cdp.api.auditlog import AuditLog
from cdp.api.bounces import Bounces, BounceSchema
from cdp.api.campaigns import CampaignCallSchema, Campaigns
from cdp.api.centre import Centre
from cdp.api.computed import ComputedTraits
from cdp.api.consent import Consent
from cdp.api.contactable import Contactable
from cdp.api.contents import Contents
from cdp.api.corrections import Corrections, CorrectionSchema
from cdp.api.destinations import Destinations
from cdp.api.door import Door
from cdp.api.front import Front
from cdp.api.guarded import Guarded
from cdp.api.history import History, PeopleSchema
from cdp.api.identity import Identity
from cdp.api.imports import Imports
from cdp.api.journeys import Journeys, RehearsalSchema
from cdp.api.ledger import Ledger
from cdp.api.matching import Matching
from cdp.api.measured import Measured
from cdp.api.models import Models
from cdp.api.notices import Notices
from cdp.api.pacing import Pacing
from cdp.api.parked import Parked
from cdp.api.parts import Parts
from cdp.api.personalize import Personalize
from cdp.api.plans import TrackingPlans
from cdp.api.preferences import Preferences
from cdp.api.previews import Previews
from cdp.api.privacy import Privacy, PrivacyRequestSchema
from cdp.api.profiles import Profiles
from cdp.api.providing import Providing
from cdp.api.pushing import Pushing
from cdp.api.quality import Quality
from cdp.api.quarantine import Quarantine, ReplaySchema
from cdp.api.questions import Questions
from cdp.api.receipts import Receipts, ReceiptSchema
from cdp.api.refusing import Refusing
from cdp.api.responding import Responding
from cdp.api.rules import IdentityRules
from cdp.api.segments import Segments
from cdp.api.sizes import Sizes
from cdp.api.syncs import Syncs
from cdp.api.templates import TemplatePreviewSchema, Templates, TemplateTrySchema
from cdp.collect.cors import CollectorCors
from cdp.collect.routes import Collecting
from cdp.forms import Form
from cdp.plans.schema import TrackingPlanSchema
from cdp.preferences import schema as preference_schema
from cdp.preferences.choices import Deciding, Requesting
from cdp.telemetry import Traces
from consent.schema import DecisionSchema, NoticeSchema, PurposeSchema
from identity.matching.schema import MatchingSchema
from identity.schema import RulesSchema, RulingSchema
from profiles.language.schema import ComputedTraitSchema, PreviewSchema, SegmentSchema
from profiles.models.schema import ClusterSegmentSchema

FORMS: tuple[type[Form], ...] = (
    SegmentSchema,
    ComputedTraitSchema,
    ClusterSegmentSchema,
    PreviewSchema,
    DecisionSchema,
    PurposeSchema,
    NoticeSchema,
    ReplaySchema,
    DeliveryReplaySchema,
    SyncSchema,
    RulingSchema,
    RulesSchema,
    MatchingSchema,
    *preference_schema.FORMS,
    ReceiptSchema,
    PrivacyRequestSchema,
    TrackingPlanSchema,
    PeopleSchema,
    CorrectionSchema,
    PacingSchema,
    TemplateSchema,
    TemplatePreviewSchema,
    TemplateTrySchema,
    CampaignSchema,
    CampaignCallSchema,
    RehearsalSchema,
    ContentSchema,
    ImportSchema,
    SubscribingSchema,
    BounceSchema,
)

# In this order: the last routes of Profiles, Identity and Consent take any path as a person's name.
RESOURCES = (
    History,
    Corrections,
    Profiles,
    IdentityRules,
    Matching,
    Identity,
    Previews,
    Segments,
    ComputedTraits,
    Models,
    Sizes,
    Notices,
    Contactable,
    Receipts,
    Consent,
    Destinations,
    Syncs,
    Ledger,
    Parked,
    Pacing,
    Campaigns,
    Journeys,
    Templates,
    Imports,
    Bounces,
    Contents,
    Quarantine,
    TrackingPlans,
    Quality,
    Privacy,
    AuditLog,
)


def create(
    parts: Parts,
    collecting: Collecting,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    requesting: Requesting,
    traces: Traces | None = None,
) -> FastAPI:
    """All routes; those that carry the load are answered by `Front`, and described here."""
    app = FastAPIOffline(
        title="Customer data platform",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # `reference` has it, with a policy
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(collecting.router())
    for resource in RESOURCES:
        app.include_router(resource(parts).router())
    deciding = Deciding(parts.database, parts.vault, parts.people, parts.appender)
    app.include_router(Preferences(parts, deciding, collecting.base_url).router())
    door = Door(deciding, collecting.visitors, collecting.collector.rates)
    Centre(door, requesting)
    Questions(door)
    app.include_router(door.router)
    personalize = Personalize.of(parts, collecting.visitors)
    app.include_router(personalize.router())
    app.include_router(Pushing(parts, collecting.visitors).router())
    app.include_router(Responding(parts, collecting.visitors).router())
    app.include_router(Providing(parts, collecting.visitors).router())
    app.include_router(scripts.router())
    app.include_router(health.router(parts, metrics.registry("api")))
    problems.install(app)
    openapi.install(app, FORMS)
    reference.install(app)
    app.state.refusing = Refusing(collecting.admission, collecting.posts())
    behind = app.build_middleware_stack  # called once, before the first request

    def in_front() -> ASGIApp:
        guarded = Guarded(behind(), collecting.visitors)
        return Measured(
            CollectorCors(Front(guarded, collecting.posts(), personalize.gets())), traces
        )

    app.build_middleware_stack = in_front  # type: ignore[method-assign]
    return app
