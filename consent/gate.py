"""The collection gate as a process holds it: the purposes of the moment, and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdp.events import Event
from consent.model import DEFAULT_PURPOSES, Purpose, collectable


@dataclass(slots=True)
class CollectionGate:
    """Called for every event on its way into the log; whoever listens renews `purposes`."""

    purposes: Sequence[Purpose] = DEFAULT_PURPOSES

    def __call__(self, event: Event, allowed: bool) -> Event | None:
        """The event, only its consent decision, or None: then nothing of it is stored."""
        return collectable(event, self.purposes, allowed_so_far=allowed)
