"""What of a person a destination gets, and by which names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COMPUTED = "told"  # of a view that is shaped: computed traits by their names there


def shaped(settings: Mapping[str, Any], view: Mapping[str, Any]) -> Mapping[str, Any]:
    """A view with the identifiers and computed traits that the settings name, as they name them."""
    identifiers, computed = settings.get("identifiers"), settings.get("computed")
    if not identifiers and not computed:
        return view
    found = dict(view)
    if identifiers:
        known = view.get("identifiers", {})
        found["identifiers"] = {
            there: known[here] for there, here in identifiers.items() if here in known
        }
    if computed:
        values = view.get("computed", {})
        found[COMPUTED] = {there: values.get(here) for there, here in computed.items()}
    return found
