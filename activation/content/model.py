"""Which content somebody sees in a slot: who it is for, then priority, then a draw by weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from cdp.events import Instant

Kind: TypeAlias = Literal["html", "json"]
PERSONALIZATION = "personalization"  # the purpose without which nobody's choice is their own


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to show content: by language tag, HTML as a template or data."""

    key: str
    weight: float
    texts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """Something to show. `segments` empty: it is for everybody; with some, for who is in one."""

    key: str
    name: str
    kind: Kind
    slots: tuple[str, ...]
    variants: tuple[Variant, ...]
    locale: str = "en"  # what every variant has, for those whose language it has not
    priority: int = 0
    weight: float = 1.0
    since: Instant | None = None
    until: Instant | None = None
    segments: frozenset[str] = frozenset()
    outside: frozenset[str] = frozenset()
    purpose: str = ""  # what people must have agreed to
    because: str = ""  # what they are told who ask why they see it
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True

    @property
    def personal(self) -> bool:
        """Whether it takes anything of a person."""
        return bool(self.purpose or self.segments or self.outside)

    def shown_at(self, now: Instant) -> bool:
        """Whether it is to be seen at that time."""
        begun = self.since is None or self.since <= now
        return self.enabled and begun and (self.until is None or now < self.until)


class Visitor(NamedTuple):
    """Who looks. Without `personal`, all see the same; `locales` are wished for in this order."""

    segments: frozenset[str]
    allows: Mapping[str, bool]
    personal: bool
    locales: Sequence[str] = ()


class Choice(NamedTuple):
    """What is shown in a slot; `missing` is a purpose without which it is not something else."""

    slot: str
    content: Content | None
    variant: Variant | None
    missing: str = ""


Draw: TypeAlias = Callable[[str], float]  # uniform in (0, 1), always the same for the same text


def choose(
    slot: str, contents: Iterable[Content], visitor: Visitor, now: Instant, draw: Draw
) -> Choice:
    """What this visitor sees of the contents for this slot, which come `by_priority`."""
    top: dict[str, Content] = {}
    best = -math.inf
    withheld: list[Content] = []
    for each in contents:
        if each.priority < best:
            break
        if not _is_meant(each, visitor) or not each.shown_at(now):
            continue
        if not each.purpose or visitor.allows.get(each.purpose):
            top[each.key] = each
            best = each.priority
        else:
            withheld.append(each)
    better = [each for each in withheld if each.priority > best]
    missing = max(better, key=lambda each: (each.priority, each.key)).purpose if better else ""
    if not top:
        return Choice(slot, None, None, missing)
    key = drawn({each.key: each.weight for each in top.values()}, lambda k: draw(f"{slot}/{k}"))
    variants = {each.key: each for each in top[key].variants}
    weights = {each.key: each.weight for each in variants.values()}
    variant = drawn(weights, lambda k: draw(f"{key}/variant/{k}"))
    return Choice(slot, top[key], variants[variant], missing)


def by_priority(contents: Iterable[Content]) -> list[Content]:
    """The highest priority first."""
    return sorted(contents, key=lambda each: -each.priority)


def drawn(weights: Mapping[str, float], draw: Draw) -> str:
    """One of these, each as often as its weight says; one more moves only those who go to it.

    Source: Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): the least of
    -ln(h)/weight.
    """
    return min(weights, key=lambda key: (-math.log(draw(key)) / weights[key], key))


def text(variant: Variant, wished: Sequence[str], default: str) -> tuple[str, Any]:
    """The language tag that fits best (`de-AT`, then `de`, then the default), and what it has."""
    known = {tag.lower(): tag for tag in variant.texts}
    for wish in wished:
        for tag in (wish.lower(), wish.lower().partition("-")[0]):
            if tag in known:
                return known[tag], variant.texts[known[tag]]
    return default, variant.texts[default]


def _is_meant(content: Content, visitor: Visitor) -> bool:
    if not visitor.personal and content.personal:
        return False
    if content.segments and content.segments.isdisjoint(visitor.segments):
        return False
    return content.outside.isdisjoint(visitor.segments)
