"""Strings of the IAB's Global Privacy Platform, and the US Privacy string that came before it.

Layout: "Global Privacy Platform String", and the technical specification of each section. Of a US
section the opt-outs are read, and Global Privacy Control. Not to have opted out is no consent: it
only takes back an opt-out that was told in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from consent.signals import tcf
from consent.signals.bits import MOST_CHARACTERS, Bits, segments
from consent.signals.said import Illegible, Said, joined

if TYPE_CHECKING:
    from consent.jurisdictions import State

SALE, SHARING, TARGETED = OPT_OUTS = ("us_sale", "us_sharing", "us_targeted_advertising")
_HEADER, _VERSION = 3, 1
_TCF_EU, _US_PRIVACY = 2, 6
_GPC_SEGMENT = 1
MOST_SECTIONS = 64
_STATES: dict[int, State | None] = {0: None, 1: "denied", 2: "granted"}
_LETTERS: dict[str, State] = {"Y": "denied", "N": "granted"}
_US_PRIVACY_FORM = re.compile("1[YN-]{3}", re.IGNORECASE)


class Layout(NamedTuple):
    """A US section: whose law, and the bit at which its opt-outs begin, two bits each."""

    place: str
    at: int = 12
    opt_outs: tuple[str, ...] = (SALE, TARGETED)


SECTIONS = {
    7: Layout("US", 18, OPT_OUTS),
    8: Layout("US-CA", 12, (SALE, SHARING)),
    9: Layout("US-VA"),
    10: Layout("US-CO"),
    11: Layout("US-UT", 14),
    12: Layout("US-CT"),
    13: Layout("US-FL"),
    14: Layout("US-MT"),
    15: Layout("US-OR"),
    16: Layout("US-TX"),
    17: Layout("US-DE"),
    18: Layout("US-IA", 14),
    19: Layout("US-NE"),
    20: Layout("US-NH"),
    21: Layout("US-NJ"),
    22: Layout("US-TN"),
    23: Layout("US-MN"),
    24: Layout("US-MD", 16),
    25: Layout("US-IN", 16),
    26: Layout("US-KY", 16),
    27: Layout("US-RI", 16),
}


@lru_cache(maxsize=1024)  # somebody's string comes with all of their events
def said(text: str, applicable: frozenset[int] | None = None) -> Said:
    """What the sections say that apply; None: all that are in it."""
    found = Said()
    for number, section in sections(text).items():
        each = _section(number, section)
        if applicable is None or number in applicable:
            states = joined(found.states, each.states)
            found = Said(states, found.gpc or each.gpc, found.places | each.places)
    return found


def sections(text: str) -> dict[int, str]:
    """The sections by their numbers, in order; Illegible unless the header lists just these."""
    if len(text) > MOST_CHARACTERS:
        raise Illegible(f"has {len(text)} characters; the limit is {MOST_CHARACTERS}")
    header, *rest = text.split("~")
    bits = Bits(header)
    if (bits.number(6), bits.number(6)) != (_HEADER, _VERSION):
        raise Illegible("has no header of version 1: send a GPP string, which begins with DB")
    numbers = _numbers(bits)
    if len(numbers) != len(rest):
        raise Illegible(f"lists {len(numbers)} section(s) and has {len(rest)}: send all of it")
    return dict(zip(numbers, rest, strict=True))


def _numbers(bits: Bits) -> list[int]:
    numbers: list[int] = []
    last = 0
    for _ in range(bits.number(12)):
        is_range = bits.number(1)
        first = last + bits.fibonacci()
        last = first + bits.fibonacci() if is_range else first
        if len(numbers) + last - first >= MOST_SECTIONS:
            raise Illegible(f"lists over {MOST_SECTIONS} sections: send it as it was made")
        numbers += range(first, last + 1)
    return numbers


def _section(number: int, text: str) -> Said:
    if number == _TCF_EU:
        return tcf.said(text)
    if number == _US_PRIVACY:
        return us_privacy(text)
    layout = SECTIONS.get(number)
    return _us(text, layout) if layout else Said()


def _us(text: str, layout: Layout) -> Said:
    core, *others = segments(text)
    bits = Bits(core)
    bits.skip(layout.at)
    states = _opt_outs((signal, bits.number(2)) for signal in layout.opt_outs)
    gpc = [_is_gpc(Bits(each)) for each in others]  # all of them: what is broken has to be mended
    return Said(states, any(gpc), frozenset({layout.place}))


def _opt_outs(told: Iterable[tuple[str, int]]) -> dict[str, State]:
    states: dict[str, State] = {}
    for signal, value in told:
        if value not in _STATES:
            raise Illegible("has an opt-out that is neither yes, no nor not applicable")
        state = _STATES[value]
        if state is not None:
            states[signal] = state
    return states


def _is_gpc(bits: Bits) -> bool:
    return bits.number(2) == _GPC_SEGMENT and bits.number(1) == 1


def us_privacy(text: str) -> Said:
    """The older string, as `1YNN`: version, notice given, opted out of sale, and the LSPA."""
    if not _US_PRIVACY_FORM.fullmatch(text):
        raise Illegible("is no US Privacy string: send one like 1YNN")
    state = _LETTERS.get(text[2].upper())
    return Said({SALE: state}, places=frozenset({"US"})) if state else Said()
