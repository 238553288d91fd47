"""Where somebody can be pushed to: subscriptions and device tokens, as their profile has them.

A subscription is a trait under a reserved name, so it is folded, erased and exported like any
other; views keep these traits apart, and no destination but its own kind's is told of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

PREFIX = "$push."  # and the kind, and what tells one subscription from another


def trait(kind: str, address: str) -> str:
    """The reserved name of a subscription at that endpoint, or with that token."""
    return f"{PREFIX}{kind}.{hashlib.sha256(address.encode()).hexdigest()[:16]}"


def apart(traits: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A person's traits, and their subscriptions by reserved name."""
    plain = {name: value for name, value in traits.items() if not name.startswith(PREFIX)}
    if len(plain) == len(traits):
        return plain, {}
    return plain, {name: value for name, value in traits.items() if name.startswith(PREFIX)}


def of(view: Mapping[str, Any], kind: str) -> dict[str, Mapping[str, Any]]:
    """Somebody's subscriptions of a kind, by reserved name; what is none is left out."""
    start = f"{PREFIX}{kind}."
    return {
        name: value
        for name, value in view.get("push", {}).items()
        if name.startswith(start) and isinstance(value, dict)
    }
