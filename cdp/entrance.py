"""What an event passes on its way into the log: the collector, the gates, the appender."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import consent.model as consent_model
from cdp.assembly import Core
from cdp.events import Event
from cdp.log.vault import Vault
from cdp.settings import Settings
from consent.gate import CollectionGate
from identity import identifiers

if TYPE_CHECKING:
    from cdp.collect.collector import Collector
    from cdp.limits import Rates
    from cdp.log.appender import Appender
    from cdp.log.writing import Writer
    from cdp.plans.held import Plans
    from cdp.quality.tally import Tally
    from cdp.suppression.listed import Suppressed


class Gates(NamedTuple):
    """What every event passes on its way into the log."""

    consent: CollectionGate
    suppressed: Suppressed


class Watch(NamedTuple):
    """What is made of events beside that: plans they are held against, and counts."""

    plans: Plans
    tally: Tally


def gates(core: Core, home: str) -> Gates:
    """`home` is where people are taken to be of whom nothing tells it; empty: the strictest law."""
    return Gates(CollectionGate(home), suppressions(core))


def subject_of(vault: Vault, event: Event) -> bytes:
    """Whom an event belongs to. Events about nobody share a few keys of their own."""
    subject = identifiers.subject(event)
    if subject is not None:
        return vault.subject(*subject)
    return vault.subject("", f"nobody {event.id[0] % 16}")


def beside(vault: Vault, event: Event) -> tuple[bytes, ...]:
    """Whom else an event names."""
    return tuple(vault.subject(*each) for each in identifiers.beside(event))


def suppressions(core: Core) -> Suppressed:
    """The suppression list, to be held against what enters the log; empty until it is renewed."""
    from cdp.suppression.listed import Suppressed

    return Suppressed(lambda event: beside(core.vault, event), identifiers.mentioned)


def watch(core: Core) -> Watch:
    """No plan is known until they are renewed."""
    from cdp.plans.held import Plans
    from cdp.quality.tally import Tally

    return Watch(Plans(), Tally(core.database, core.vault))


def collector(
    settings: Settings,
    core: Core,
    passed: Gates,
    appender: Appender,
    rates: Rates,
    *,
    watching: Watch,
) -> Collector:
    from cdp.collect.collector import Collector
    from cdp.collect.sources import Sources

    gate = passed.consent
    return Collector(
        appender=appender,
        sources=Sources(core.database),
        digest=core.vault.digest,
        subject_of=lambda event: subject_of(core.vault, event),
        says_consent=gate.says_consent,
        by_law=gate.by_law,
        listed=passed.suppressed.look,
        illegible=consent_model.illegible,
        once=lambda event, subject: gate.once(event, core.keyring.gpc(subject)),
        rates=rates,
        plans=watching.plans,
        tally=watching.tally,
        strict_keys=settings.strict_keys,
    )


def writer(core: Core, passed: Gates, watching: Watch | None = None) -> Writer:
    """What stores facts that pass the gates, as whoever calls it tells it to."""
    from cdp.log.writing import Writer

    writer = Writer(core.database, core.keyring, core.partitions, *passed)
    return replace(writer, repeated=watching.tally.repeated) if watching else writer


def appender(settings: Settings, core: Core, passed: Gates, watching: Watch) -> Appender:
    from cdp.log.appender import Appender, Bounds
    from cdp.log.spill import Spill
    from cdp.withdrawing import Withdrawals

    bounds = Bounds(settings.linger_ms / 1000, settings.max_pending, settings.commit_timeout)
    room = settings.spill_mb << 20
    spill = Spill(settings.data_dir / "spill", core.vault.lasting, room) if room else None
    withdrawals = Withdrawals(core.database, lambda event: bool(consent_model.denied(event)))
    return Appender(writer(core, passed, watching), bounds, spill, withdrawals)
