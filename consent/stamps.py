"""What stands beside events on consent, wherever SDKs put it: category names, consent strings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from cdp.events import Event, mapping
from consent import signals
from consent.jurisdictions import State

GPC = "gpc"  # Global Privacy Control: counts from when it was first seen, not with every event
_LONGEST_KEPT = 2048  # bytes of a stamp that is remembered; banners' are shorter
_NOT_SIGNAL = re.compile(r"[^a-z0-9]+")
_RUDDERSTACK: tuple[tuple[str, State], ...] = (
    ("allowedConsentIds", "granted"),
    ("deniedConsentIds", "denied"),
)


class Stamp(NamedTuple):
    """What one says: the state of each signal with its source, where, and by which notice."""

    said: Mapping[str, tuple[State, str]]
    where: str
    notice: str
    denied: tuple[str, ...]  # sorted


@lru_cache(maxsize=4096)  # the same few names come on every event
def signal_of(name: str) -> str:
    """`Strictly Necessary` and `strictly_necessary` are one signal."""
    return _NOT_SIGNAL.sub("_", name.lower()).strip("_")[:64]


def of(event: Event) -> Stamp:
    """Of a site's many events each carries one of a few stamps, which are read once."""
    told = event.context.get("consent"), event.context.get("consentManagement")
    encoded = msgspec.msgpack.encode(told)
    stamp = _met_before(encoded) if len(encoded) <= _LONGEST_KEPT else _read(*told)
    return _with_fact(stamp, event.properties) if event.type == "consent" else stamp


@lru_cache(maxsize=2048)
def _met_before(encoded: bytes) -> Stamp:
    return _read(*msgspec.msgpack.decode(encoded))


def _read(stamp: object, management: object) -> Stamp:
    said: dict[str, tuple[State, str]] = {}
    consent = mapping(stamp)
    for name, allowed in mapping(consent.get("categoryPreferences")).items():
        if isinstance(allowed, bool):
            said[signal_of(name)] = ("granted" if allowed else "denied", "stamp")
    for field, state in _RUDDERSTACK:
        for name in _names(mapping(management).get(field)):
            said[signal_of(name)] = (state, "stamp")
    for source, each in signals.said(consent):
        for signal, state in each.states.items():
            known = said.get(signal)
            if known is None or known[0] != "denied":  # of what they contradict each other on, a no
                said[signal] = (state, source)
        if each.gpc:
            said[GPC] = ("denied", GPC)
    if consent.get(GPC) is True:
        said[GPC] = ("denied", GPC)
    said.pop("", None)  # a name without a letter
    return _stamped(said, consent)


def _with_fact(stamp: Stamp, fact: Mapping[str, Any]) -> Stamp:
    """What was told on purpose comes after what stands beside it."""
    said, purpose = dict(stamp.said), fact.get("purpose")
    if isinstance(purpose, str) and signal_of(purpose):
        granted = fact.get("state") == "granted"
        said[signal_of(purpose)] = ("granted" if granted else "denied", "api")
    return _stamped(said, fact)


def _stamped(said: Mapping[str, tuple[State, str]], particulars: Mapping[str, Any]) -> Stamp:
    where, notice = particulars.get("jurisdiction"), particulars.get("notice")
    return Stamp(
        said,
        where.upper()[:64] if isinstance(where, str) else "",
        notice[:200] if isinstance(notice, str) else "",
        tuple(sorted(signal for signal, (state, _) in said.items() if state == "denied")),
    )


def _names(value: object) -> Iterable[str]:
    """Consent ids come as a list, or as an object of lists by provider."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)]
    return [name for each in mapping(value).values() for name in _names(each)]
