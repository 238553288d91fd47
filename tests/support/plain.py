"""Facts of somebody of whom nothing but what a test gives is known."""

from __future__ import annotations

from typing import Any

from profiles.language.counters import Counter


class Plain:
    """What few tests need of `profiles.language.conditions.Facts`."""

    def kept(self, counter: Counter) -> Any:
        """Nothing matched."""
        return None

    def identifiers(self, namespace: str) -> list[str]:
        """Nobody calls them anything."""
        return []

    def zone(self) -> str:
        """Nobody knows where they live."""
        return ""

    def also(self, purpose: str) -> Any:
        """Every purpose sees the same."""
        return self
