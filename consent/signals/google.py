"""Google Consent Mode v2: the states it has, in on events and out to tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from consent.signals.said import Illegible

if TYPE_CHECKING:
    from consent.jurisdictions import State

NAMES = (
    "ad_storage",
    "ad_user_data",
    "ad_personalization",
    "analytics_storage",
    "functionality_storage",
    "personalization_storage",
    "security_storage",
)
_STATES: Mapping[object, State] = {
    "granted": "granted",
    "denied": "denied",
    True: "granted",
    False: "denied",
}


def state(value: object) -> State:
    """One state as tags write it; GTM's server container has true and false. Else Illegible."""
    found = _STATES.get(value) if isinstance(value, str | bool) else None
    if found is None:
        raise Illegible("must be granted or denied")
    return found


def shown(purposes: Mapping[str, Collection[str]], granted: Mapping[str, Any]) -> dict[str, State]:
    """How somebody stands, in the form of `gtag("consent", "update", …)`.

    `purposes` are the signals of each. A state is granted if everything that it means is, and
    denied if it means nothing.
    """
    meant = {name: [p for p, signals in purposes.items() if name in signals] for name in NAMES}
    return {
        name: "granted" if keys and all(granted.get(key) for key in keys) else "denied"
        for name, keys in meant.items()
    }
