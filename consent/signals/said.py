"""What a string says of consent, or that it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from consent.jurisdictions import State


class Illegible(ValueError):
    """This is no such string; says what is wrong with it, and what to send."""


class Said(NamedTuple):
    """A state by signal, whether it carries Global Privacy Control, and whose laws it is for."""

    states: Mapping[str, State] = {}
    gpc: bool = False
    places: frozenset[str] = frozenset()  # as ISO 3166 has it: US, US-CA


def joined(first: Mapping[str, State], second: Mapping[str, State]) -> dict[str, State]:
    """Both; of what they contradict each other on, the no."""
    no: dict[str, State] = {s: each for s, each in first.items() if each == "denied"}
    return {**first, **second, **no}
