"""The collection gate as a process holds it: the purposes of the moment, and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cdp.events import Event, Instant
from consent import jurisdictions
from consent.model import (
    COLLECTION,
    Basis,
    asks_gpc,
    collectable,
    decision_only,
    is_about_consent,
    once,
)
from consent.purposes import DEFAULT_PURPOSES, Purpose


class CollectionGate:
    """Asked about every event on its way into the log; whoever listens renews the purposes.

    `home` is where people are taken to be of whom nothing tells it; empty: under the strictest law.
    """

    def __init__(self, home: str) -> None:
        self._home = home
        self._by_law = lru_cache(maxsize=1024)(self._default)
        self.renew(DEFAULT_PURPOSES)

    def renew(self, purposes: Sequence[Purpose]) -> None:
        """Go by these purposes from here on."""
        found = [each for each in purposes if each.key == COLLECTION]
        self._purpose = found[0] if found else DEFAULT_PURPOSES[1]
        self._signals = self._purpose.meant_by
        self._by_law.cache_clear()

    def by_law(self, event: Event) -> bool:
        """Whether it may be stored if its person has decided nothing."""
        return self._by_law(jurisdictions.told(event))

    def passed(self, event: Event, decided: bool | None, by_law: bool) -> Event | None:
        """The event, only its consent decisions, or None: then nothing of it is stored."""
        return collectable(event, self._signals, Basis(decided, by_law))

    def is_gpc(self, event: Event) -> bool:
        """Whether it puts Global Privacy Control on record."""
        return asks_gpc(event)

    def once(self, event: Event, since: Instant | None) -> Event:
        """The event, only marked if that is on record since before it."""
        return once(event, since)

    def says_consent(self, event: Event) -> bool:
        """Whether it is a fact about consent."""
        return is_about_consent(event)

    def decision(self, event: Event) -> Event:
        """Of an event only what it decides on consent."""
        return decision_only(event)

    def _default(self, code: str) -> bool:
        codes = frozenset({code}) if code else frozenset()
        return self._purpose.default(codes, self._home).state == "granted"
