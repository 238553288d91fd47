"""TC strings of the IAB's Transparency and Consent Framework, versions 2.0 to 2.3.

Layout: "Consent string and vendor list formats v2" of IAB Tech Lab. The purposes are read; what is
said of single vendors, and the publisher's own part, is only checked for its form.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from consent.signals.bits import MOST_CHARACTERS, Bits, segments
from consent.signals.said import Illegible, Said

if TYPE_CHECKING:
    from consent.jurisdictions import State

VERSION = 2
PURPOSES = range(1, 12)
FEATURES = range(1, 3)  # special ones: precise location, and scanning the device
# Since 2.2 the others rest on consent alone, and we hold older strings to that too.
MAY_REST_ON_INTEREST = frozenset({2, 7, 8, 9, 10, 11})
_PUBLISHER = 3
_VENDORS = frozenset({1, 2})  # the segments of disclosed and of allowed vendors


class Core(NamedTuple):
    """What somebody chose: purposes by consent, by legitimate interest, and special features.

    An interest is in it if it was made known and not objected to.
    """

    consents: frozenset[int]
    interests: frozenset[int]
    features: frozenset[int]
    first_undisclosed: bool  # purpose 1 was not asked for: no law where the publisher is wants it


def read(text: str) -> Core:
    """Take a TC string apart; Illegible unless all of its segments are whole."""
    if len(text) > MOST_CHARACTERS:
        raise Illegible(f"has {len(text)} characters; the limit is {MOST_CHARACTERS}")
    first, *others = segments(text)
    core = _core(Bits(first))
    for each in others:
        _segment(Bits(each))
    return core


@lru_cache(maxsize=1024)  # somebody's string comes with all of their events
def said(text: str) -> Said:
    """The signals `tcf_1` to `tcf_11`, and `tcf_sf1` and `tcf_sf2` of the special features."""
    core = read(text)
    allowed = core.consents | (core.interests & MAY_REST_ON_INTEREST)
    states = {f"tcf_{number}": _state(number in allowed) for number in PURPOSES}
    if core.first_undisclosed:
        del states["tcf_1"]
    features = {f"tcf_sf{number}": _state(number in core.features) for number in FEATURES}
    return Said(states | features)


def _state(allowed: bool) -> State:
    return "granted" if allowed else "denied"


def _core(bits: Bits) -> Core:
    version = bits.number(6)
    if version != VERSION:
        raise Illegible(f"is of version {version}: send a TC string of TCF 2, which begins with C")
    bits.skip(36 + 36 + 12 + 12 + 6 + 12 + 12 + 6 + 1 + 1)  # when, by whom, and by which rules
    features, consents, interests = bits.flags(12), bits.flags(24), bits.flags(24)
    first_undisclosed = bool(bits.number(1))
    bits.skip(12)  # the publisher's country
    _vendors(bits)
    _vendors(bits)
    for _ in range(bits.number(12)):  # restrictions by the publisher
        bits.skip(6 + 2)
        bits.skip_ranges()
    return Core(consents, interests, features, first_undisclosed)


def _segment(bits: Bits) -> None:
    kind = bits.number(3)
    if kind in _VENDORS:
        _vendors(bits)
    elif kind == _PUBLISHER:
        bits.skip(24 + 24)
        bits.skip(2 * bits.number(6))


def _vendors(bits: Bits) -> None:
    most = bits.number(16)
    if bits.number(1):
        bits.skip_ranges()
    else:
        bits.skip(most)
