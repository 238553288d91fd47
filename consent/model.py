"""Consent as a function of decisions: which signal says what, and how a person stands by purpose.

A decision is a fact: a signal (a purpose, or a category name that an SDK uses), granted or denied,
at a time. Over all of a person's identifiers the latest decides; a tie is a no.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from cdp.events import Event, Instant, mapping

State: TypeAlias = Literal["granted", "denied"]

COLLECTION = "analytics"  # the purpose under which behaviour is stored at all
GPC = "gpc"  # Global Privacy Control: counts from when it was first seen, not with every event
_NOT_SIGNAL = re.compile(r"[^a-z0-9]+")


class Purpose(NamedTuple):
    """Something data is used for, how a person stands without a decision, and what signals it."""

    key: str
    name: str
    by_default: State
    signals: tuple[str, ...] = ()


# Category names of Segment's wrapper, OneTrust (C0001…), Cookiebot and Google Consent Mode v2.
DEFAULT_PURPOSES = (
    Purpose("necessary", "Strictly necessary", "granted", ("strictly_necessary", "c0001")),
    Purpose(
        "analytics",
        "Analytics",
        "granted",
        ("performance", "statistics", "analytics_storage", "c0002"),
    ),
    Purpose(
        "personalization",
        "Personalisation",
        "granted",
        ("functional", "preferences", "personalization_storage", "c0003"),
    ),
    Purpose("marketing_email", "Marketing by e-mail", "denied"),
    Purpose("marketing_push", "Marketing by push message", "denied"),
    Purpose(
        "sale_or_share",
        "Sale or sharing for advertising",
        "denied",
        ("advertising", "marketing", "targeting", "ad_storage", "c0004", GPC),
    ),
    Purpose("profiling", "Automated profiling", "denied"),
)


class Decision(NamedTuple):
    """One fact about one signal."""

    signal: str
    state: State
    at: Instant
    event: bytes
    source: str  # api, stamp or gpc

    @property
    def weight(self) -> tuple[Instant, bool, bytes]:
        """Decisions on the same signal compare by this: later wins, and a tie is a no."""
        return self.at, self.state == "denied", self.event


class Standing(NamedTuple):
    """How a person stands on a purpose, and the decision that says so, if there is one."""

    state: State
    decision: Decision | None


def signal_of(name: str) -> str:
    """`Strictly Necessary` and `strictly_necessary` are one signal."""
    return _NOT_SIGNAL.sub("_", name.lower()).strip("_")[:64]


def is_about_consent(event: Event) -> bool:
    """Whether it may carry a decision; most events do not, and this is asked of every one."""
    context = event.context
    return "consent" in context or "consentManagement" in context or event.type == "consent"


def decisions(event: Event) -> list[Decision]:
    """What an event says about consent, wherever an SDK puts it; the later source wins."""
    if not is_about_consent(event):
        return []
    said: dict[str, tuple[State, str]] = {}
    consent = mapping(event.context.get("consent"))
    for name, allowed in mapping(consent.get("categoryPreferences")).items():
        if isinstance(allowed, bool):
            said[signal_of(name)] = ("granted" if allowed else "denied", "stamp")
    management = mapping(event.context.get("consentManagement"))
    for field, state in _RUDDERSTACK:
        for name in _names(management.get(field)):
            said[signal_of(name)] = (state, "stamp")
    if consent.get(GPC) is True:
        said[GPC] = ("denied", GPC)
    if event.type == "consent":
        purpose = event.properties.get("purpose")
        if isinstance(purpose, str):
            granted = event.properties.get("state") == "granted"
            said[signal_of(purpose)] = ("granted" if granted else "denied", "api")
    return [
        Decision(signal, state, event.at, event.id, source)
        for signal, (state, source) in said.items()
        if signal
    ]


_RUDDERSTACK: tuple[tuple[str, State], ...] = (
    ("allowedConsentIds", "granted"),
    ("deniedConsentIds", "denied"),
)


def _names(value: object) -> Iterable[str]:
    """Consent ids come as a list, or as an object of lists by provider."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)]
    return [name for each in mapping(value).values() for name in _names(each)]


def latest(known: Iterable[Decision]) -> dict[str, Decision]:
    """The decision that counts for each signal."""
    best: dict[str, Decision] = {}
    for each in known:
        other = best.get(each.signal)
        if other is None:
            best[each.signal] = each
        elif each.signal == GPC:
            best[GPC] = min(each, other, key=lambda d: d.weight)
        else:
            best[each.signal] = max(each, other, key=lambda d: d.weight)
    return best


def standing(purposes: Iterable[Purpose], known: Iterable[Decision]) -> dict[str, Standing]:
    """How the person who took these decisions stands on every purpose."""
    best = latest(known)
    return {purpose.key: _stand(purpose, best) for purpose in purposes}


def granted(stands: Mapping[str, Standing]) -> dict[str, bool]:
    """Which purposes somebody who stands like that allows."""
    return {purpose: stand.state == "granted" for purpose, stand in stands.items()}


def _stand(purpose: Purpose, best: Mapping[str, Decision]) -> Standing:
    heard = [best[signal] for signal in (purpose.key, *purpose.signals) if signal in best]
    if not heard:
        return Standing(purpose.by_default, None)
    decision = max(heard, key=lambda d: d.weight)
    return Standing(decision.state, decision)


_TOLD_TO_US = frozenset({"consent", "link", "unlink", "infer"})  # said on purpose, not observed


def collectable(event: Event, purposes: Iterable[Purpose], *, allowed_so_far: bool) -> Event | None:
    """The collection gate: the event, only its consent decision, or nothing to be stored.

    An event's own stamp counts before what was known; facts that are told on purpose always pass.
    """
    if event.type in _TOLD_TO_US:
        return event
    if not is_about_consent(event):
        return event if allowed_so_far else None
    own = decisions(event)
    purpose = next((p for p in purposes if p.key == COLLECTION), None)
    stamped = [d for d in own if purpose and d.signal in (purpose.key, *purpose.signals)]
    if not stamped:
        return event if allowed_so_far else None
    if max(stamped, key=lambda d: d.weight).state == "granted":
        return event
    return _decision_only(event) if allowed_so_far else None


def _decision_only(event: Event) -> Event:
    consent = {
        key: event.context[key] for key in ("consent", "consentManagement") if key in event.context
    }
    return msgspec.structs.replace(
        event,
        type="consent",
        name="",
        properties={},
        traits={},
        context=consent,
        integrations={},
        extra={},
    )
