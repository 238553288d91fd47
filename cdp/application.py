"""The collector and the API, put together: what `cdp.main` is for the agents."""

from __future__ import annotations

from fastapi import FastAPI

from cdp import entrance
from cdp.api.app import create
from cdp.api.auth import Keys
from cdp.api.background import Background
from cdp.api.parts import Parts
from cdp.assembly import Core
from cdp.audit import Audit
from cdp.collect.admission import Admission
from cdp.collect.request import Visitors
from cdp.collect.routes import Collecting
from cdp.evidence.receipts import Controller
from cdp.limits import Limits, Rates
from cdp.personalizing.held import Catalogue
from cdp.personalizing.questions import Questions
from cdp.privacy.asking import Asking
from cdp.settings import Settings
from cdp.telemetry import Traces


def application(settings: Settings, core: Core, traces: Traces | None = None) -> FastAPI:
    """Of one process."""
    gates = entrance.gates(core, core.people.home)
    watching = entrance.watch(core)
    appender = entrance.appender(settings, core, gates, watching)
    rates = Rates.of(
        Limits(core.redis_url),
        settings.rate_per_key,
        settings.rate_per_address,
        settings.rate_failures,
    )
    collector = entrance.collector(settings, core, gates, appender, rates, watching=watching)
    visitors = Visitors(filter(None, settings.trusted_proxies.split(",")))
    audit = Audit(core.database, core.vault, reads=settings.audit_reads)
    parts = Parts(
        database=core.database,
        partitions=core.partitions,
        vault=core.vault,
        people=core.people,
        appender=appender,
        collector=collector,
        keys=Keys(core.database, audit, visitors, rates, open_metrics=settings.open_metrics),
        controller=Controller(
            settings.controller,
            settings.controller_address,
            settings.controller_contact,
            settings.storage_location,
        ),
        catalogue=Catalogue(core.people.home),
        questions=Questions(core.database),
        private=settings.private_webhooks,
    )
    admission = Admission(appender.must_admit, settings.max_pending_mb << 20)
    collecting = Collecting(collector, visitors, admission, settings.public_url, settings.sdk_dir)
    background = Background(
        core.database,
        core.keyring,
        appender,
        *gates,
        audit,
        rates.limits,
        collector.sources,
        *watching,
        parts.catalogue,
        parts.questions,
    )
    requesting = Asking(core.database, core.vault, core.people.home)
    return create(parts, collecting, background.lifespan, requesting, traces)
