"""The content catalogue as a process holds it, and how people stand of whom nothing is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

import consent.store as consent_store
from activation.content import store
from activation.content.model import Content, by_priority
from activation.content.schema import content_of
from cdp.db import Database
from cdp.events import Instant
from consent.standing import Ground, granted

log = structlog.get_logger(__name__)


class Catalogue:
    """By slot and by key; empty until it is renewed.

    `home` is the jurisdiction of those of whom nothing tells it; empty: the strictest.
    """

    def __init__(self, home: str) -> None:
        self._home = home
        self._by_slot: dict[str, list[Content]] = {}
        self._by_key: dict[str, Content] = {}
        self.strangers: Mapping[str, bool] = {}
        self._ground = Ground((), home, 0)
        self.also: list[Callable[[], None]] = []  # called when something has changed

    def slot(self, slot: str) -> list[Content]:
        """What may be shown in a slot, the highest priority first."""
        return self._by_slot.get(slot, [])

    def find(self, key: str) -> Content | None:
        """One content."""
        return self._by_key.get(key)

    def ground(self, now: Instant) -> Ground:
        """What standings are told by."""
        self._ground.now = now
        return self._ground

    async def renew(self, database: Database, now: Instant) -> None:
        """Learn what there is now."""
        async with database.transaction() as connection:
            found = await store.everything(connection)
            purposes = await consent_store.purposes(connection)
        by_key: dict[str, Content] = {}
        by_slot: dict[str, list[Content]] = {}
        for each in found:
            try:
                content = content_of(each.key, each.loaded)
            except (KeyError, TypeError, ValueError) as error:  # a later release wrote it
                log.error("content_unfit", key=each.key, error=type(error).__name__)
                continue
            by_key[each.key] = content
            for slot in content.slots:
                by_slot.setdefault(slot, []).append(content)
        self._by_key = by_key
        self._by_slot = {slot: by_priority(those) for slot, those in by_slot.items()}
        self._ground = Ground(purposes, self._home, now)
        self.strangers = granted(self._ground.by_law(frozenset()))
        for told in self.also:
            told()
