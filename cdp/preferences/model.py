"""What a preference page works out, purely: what is shown of whom, and what somebody changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias, cast, get_args

from cdp.events import Event, Identifier
from consent.jurisdictions import State
from consent.purposes import Purpose
from consent.standing import Standing
from identity.identifiers import EMAIL

Frequency: TypeAlias = Literal["all", "weekly", "monthly"]
FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
ALWAYS = "necessary"  # nobody is asked for this one
_DOTS = "•••"


class Choices(NamedTuple):
    """What somebody wants from now on: states by purpose, and how often to hear from us."""

    states: Mapping[str, State] = {}
    frequency: Frequency | None = None


def masked(who: Identifier) -> str:
    """Enough for its owner to know it by: `a•••@example.com`, `•••58`."""
    if who.namespace == EMAIL:
        name, _, host = who.value.rpartition("@")
        return f"{name[:1]}{_DOTS}@{host}"
    return _DOTS + (who.value[-2:] if len(who.value) > 5 else "")


def frequency(facts: Iterable[Event]) -> Frequency:
    """How often somebody wants to hear from us, by all the consent facts about them.

    The latest that says so; of two at once, the rarer. Without a word: everything.
    """
    said = [
        (event.at, FREQUENCIES.index(cast("Frequency", found)), event.id)
        for event in facts
        if event.type == "consent" and (found := event.properties.get("frequency")) in FREQUENCIES
    ]
    return FREQUENCIES[max(said)[1]] if said else FREQUENCIES[0]


def changed(wanted: Mapping[str, State], stands: Mapping[str, Standing]) -> dict[str, State]:
    """Which of these states have to be told.

    A yes only where it changes something: what nobody asked for is not taken for given. A no also
    where it only was the default: then it holds whatever the default becomes.
    """
    return {
        purpose: state
        for purpose, state in wanted.items()
        if stands[purpose].state != state or (state == "denied" and not _said_no(stands[purpose]))
    }


def _said_no(stand: Standing) -> bool:
    return stand.decision is not None and stand.decision.state == "denied"


def refusable(purposes: Iterable[Purpose]) -> list[Purpose]:
    """Every purpose that somebody may say no to."""
    return [purpose for purpose in purposes if purpose.key != ALWAYS]
