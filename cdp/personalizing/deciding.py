"""From an identifier and slots to blocks of content, each with its decision and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from activation.content.model import PERSONALIZATION, Choice, Content, Visitor, choose, text
from activation.content.rendering import Unrenderable, rendered
from cdp.events import Identifier, Instant
from cdp.log.vault import Vault
from cdp.personalizing import reasons
from cdp.personalizing.held import Catalogue
from cdp.personalizing.reading import Known, Reader
from cdp.personalizing.token import Decision, spelled
from cdp.times import SECOND

_HOUR = 3600 * SECOND
_SPREAD = 1 << 128

log = structlog.get_logger(__name__)


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
            blocks[slot] = self._block(choice, visitor, view)
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

    def _block(self, choice: Choice, visitor: Visitor, view: Mapping[str, Any]) -> dict[str, Any]:
        content, variant = choice.content, choice.variant
        told: dict[str, Any] = {"missing_purpose": choice.missing} if choice.missing else {}
        if content is None or variant is None:
            return {"content": None, "reasons": reasons.of(choice, visitor)} | told
        locale, said = text(variant, visitor.locales, content.locale)
        block: dict[str, Any] = {
            "content": content.key,
            "variant": variant.key,
            "locale": locale,
            "decision_id": spelled(
                Decision(content.key, variant.key, choice.slot, content.personal),
                self.vault.digest,
            ),
            "reasons": reasons.of(choice, visitor),
            "tags": list(content.tags),
            "metadata": dict(content.metadata),
            **told,
        }
        if content.kind == "json":
            return block | {"data": said}
        try:
            return block | {"html": rendered(said, _variables(content, view))}
        except Unrenderable as error:
            log.warning("content_unrenderable", key=content.key, error=str(error))
            why = f"The template of {content.key} cannot be rendered: {error}."
            return {"content": None, "reasons": [why]}


def _variables(content: Content, view: Mapping[str, Any]) -> dict[str, Any]:
    about = {
        "key": content.key,
        "name": content.name,
        "tags": list(content.tags),
        "metadata": dict(content.metadata),
    }
    if not view or not content.purpose:
        return {"content": about}
    return {"content": about, "person": view["traits"], "computed": view["computed"]}
