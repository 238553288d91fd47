"""From an identifier and slots to blocks of content, each with its decision and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from activation.content.model import PERSONALIZATION, Choice, Content, Visitor, choose, text
from activation.content.rendering import Unrenderable, rendered
from cdp.db import Database
from cdp.events import Identifier, Instant
from cdp.log.vault import Vault
from cdp.people import People
from cdp.personalizing import reasons, store
from cdp.personalizing.held import Catalogue
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


class _Person(NamedTuple):
    seed: bytes
    view: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Deciding:
    """What the routes work with."""

    database: Database
    vault: Vault
    people: People
    catalogue: Catalogue

    async def decide(self, asked: Asked, now: Instant) -> dict[str, Any]:
        """The answer: `blocks` by slot, and whether anything in it was a person's own choice."""
        person = _Person(b"", None)
        if asked.personalized and asked.who:
            person = await self._person(asked.who)
        visitor = self._visitor(person, asked)
        own = visitor.personal and visitor.allows.get(PERSONALIZATION, False)
        draw = self._draw(person.seed if own else b"", now)
        blocks = {}
        for slot in dict.fromkeys(asked.slots):
            choice = choose(slot, self.catalogue.slot(slot), visitor, now, draw)
            blocks[slot] = self._block(choice, visitor, asked, person.view)
        return {"blocks": blocks, "personalized": own}

    async def _person(self, who: Sequence[Identifier]) -> _Person:
        ids = [self.vault.subject(*each) for each in who]
        async with self.database.autocommit() as connection:
            known = await store.who(connection, ids)
            found = next((known[each] for each in ids if each in known), None)
            if found is None:
                return _Person(ids[0], None)
            profile, version = found
            views = await self.people.as_of(connection, {profile: version})
        return _Person(profile, views.get(profile))

    def _visitor(self, person: _Person, asked: Asked) -> Visitor:
        view, allows = person.view, self.catalogue.strangers
        if view is not None:
            allows = {purpose: state == "granted" for purpose, state in view["consent"].items()}
        locales = list(asked.locales)
        spoken = view["traits"].get("locale") if view is not None and not locales else None
        if isinstance(spoken, str):
            locales.append(spoken.replace("_", "-"))
        segments = frozenset(view["segments"]) if view is not None else frozenset()
        return Visitor(segments, allows, asked.personalized and bool(asked.who), locales)

    def _draw(self, seed: bytes, now: Instant) -> Callable[[str], float]:
        """Always the same for one person; where nobody is known, for everybody in an hour."""
        prefix = b"\x00draw\x00" + (seed or (now // _HOUR).to_bytes(8))

        def draw(name: str) -> float:
            found = int.from_bytes(self.vault.digest(prefix + name.encode()))
            return (found + 1) / (_SPREAD + 1)

        return draw

    def _block(
        self, choice: Choice, visitor: Visitor, asked: Asked, view: Mapping[str, Any] | None
    ) -> dict[str, Any]:
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
            return block | {"html": rendered(said, _variables(content, asked, view))}
        except Unrenderable as error:
            log.warning("content_unrenderable", key=content.key, error=str(error))
            why = f"The template of {content.key} cannot be rendered: {error}."
            return {"content": None, "reasons": [why]}


def _variables(content: Content, asked: Asked, view: Mapping[str, Any] | None) -> dict[str, Any]:
    about = {
        "key": content.key,
        "name": content.name,
        "tags": list(content.tags),
        "metadata": dict(content.metadata),
    }
    if view is None or not asked.proven or not content.purpose:
        return {"content": about}
    return {"content": about, "person": view["traits"], "computed": view["computed"]}
