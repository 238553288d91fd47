"""What a page gets for a slot: made and written once for all who see the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
import structlog

from activation.content.model import Choice, Content, Visitor, text
from activation.content.rendering import Unrenderable, rendered
from cdp.personalizing import reasons
from cdp.personalizing.held import Catalogue
from cdp.personalizing.token import Decision, Digest, spelled

View: TypeAlias = Mapping[str, Any]

_MOST = 20_000  # blocks that are remembered

log = structlog.get_logger(__name__)


class Blocks:
    """Of this process; forgotten when the catalogue changes. What is about one person is not kept.

    A block is JSON, ready to be sent.
    """

    def __init__(self, catalogue: Catalogue, digest: Digest) -> None:
        self._digest = digest
        self._made: dict[tuple[str | bool, ...], msgspec.Raw] = {}
        catalogue.also.append(self._made.clear)

    def block(self, choice: Choice, visitor: Visitor, view: View) -> msgspec.Raw:
        """`view` is the person, for who may see that; or empty."""
        content, variant = choice.content, choice.variant
        if content is None or variant is None:
            told = {"content": None, "reasons": reasons.of(choice, visitor)}
            return _written(told | _missing(choice))
        said = text(variant, visitor.locales, content.locale)
        if view:
            return self._block(choice, visitor, said, view)
        key = (content.key, variant.key, choice.slot, said[0], choice.missing, visitor.personal)
        found = self._made.get(key)
        if found is None:
            found = self._block(choice, visitor, said, view)
            if len(self._made) < _MOST:
                self._made[key] = found
        return found

    def _block(
        self, choice: Choice, visitor: Visitor, said: tuple[str, Any], view: View
    ) -> msgspec.Raw:
        content, variant = choice.content, choice.variant
        assert content is not None
        assert variant is not None
        decision = Decision(content.key, variant.key, choice.slot, content.personal)
        block: dict[str, Any] = {
            "content": content.key,
            "variant": variant.key,
            "locale": said[0],
            "decision_id": spelled(decision, self._digest),
            "reasons": reasons.of(choice, visitor),
            "tags": list(content.tags),
            "metadata": dict(content.metadata),
            **_missing(choice),
        }
        if content.kind == "json":
            return _written(block | {"data": said[1]})
        try:
            return _written(block | {"html": rendered(said[1], _variables(content, view))})
        except Unrenderable as error:
            log.warning("content_unrenderable", key=content.key, error=str(error))
            why = f"The template of {content.key} cannot be rendered: {error}."
            return _written({"content": None, "reasons": [why]})


def _missing(choice: Choice) -> dict[str, str]:
    return {"missing_purpose": choice.missing} if choice.missing else {}


def _written(block: Mapping[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(block))


def _variables(content: Content, view: View) -> dict[str, Any]:
    about = {
        "key": content.key,
        "name": content.name,
        "tags": list(content.tags),
        "metadata": dict(content.metadata),
    }
    if not view or not content.purpose:
        return {"content": about}
    return {"content": about, "person": view["traits"], "computed": view["computed"]}
