"""From an identifier and slots to blocks of content, each with its decision and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from activation.content.model import PERSONALIZATION, Visitor, choose
from cdp.events import Identifier, Instant
from cdp.log.vault import Vault
from cdp.personalizing.blocks import Blocks
from cdp.personalizing.held import Catalogue
from cdp.personalizing.reading import Known, Reader
from cdp.times import SECOND

_HOUR = 3600 * SECOND
_SPREAD = 1 << 128


class Asked(NamedTuple):
    """What a page wants. The first of the identifiers that is known counts."""

    who: Sequence[Identifier]
    slots: Sequence[str]
    locales: Sequence[str] = ()
    personalized: bool = True
    proven: bool = False  # whoever asks may see what this person's traits are


@dataclass(frozen=True, slots=True)
class Deciding:
    """What the routes work with."""

    vault: Vault
    reader: Reader
    catalogue: Catalogue
    blocks: Blocks

    async def decide(self, asked: Asked, now: Instant) -> dict[str, Any]:
        """The answer: `blocks` by slot, and whether anything in it was a person's own choice."""
        personal = asked.personalized and bool(asked.who)
        known = await self.reader.find(asked.who) if personal else None
        allows = self.catalogue.strangers if known is None else known.allows
        segments = frozenset[str]() if known is None else known.segments
        view = await self._view(known) if asked.proven and known is not None else {}
        locales = list(asked.locales)
        spoken = view.get("traits", {}).get("locale")
        if isinstance(spoken, str) and not locales:
            locales.append(spoken.replace("_", "-"))
        visitor = Visitor(segments, allows, personal, locales)
        own, seed = personal and allows.get(PERSONALIZATION, False), b""
        if own:
            seed = self.reader.seed(asked.who) if known is None else known.profile
        draw = self._draw(seed, now)
        blocks = {}
        for slot in dict.fromkeys(asked.slots):
            choice = choose(slot, self.catalogue.slot(slot), visitor, now, draw)
            blocks[slot] = self.blocks.block(choice, visitor, view)
        return {"blocks": blocks, "personalized": own}

    async def _view(self, known: Known) -> Mapping[str, Any]:
        async with self.reader.database.transaction() as connection:
            views = await self.reader.people.load(connection, [known.profile])
        return views.get(known.profile, {})

    def _draw(self, seed: bytes, now: Instant) -> Callable[[str], float]:
        """Always the same for one person; where nobody is known, for everybody in an hour."""
        prefix = b"\x00draw\x00" + (seed or (now // _HOUR).to_bytes(8))

        def draw(name: str) -> float:
            found = int.from_bytes(self.vault.digest(prefix + name.encode()))
            return (found + 1) / (_SPREAD + 1)

        return draw
