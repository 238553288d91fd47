"""How a person stands on each purpose: their latest decision, else the law of where they are.

Never wider than anybody meant: two fragments that contradict each other within a minute are a no,
of several jurisdictions the strictest counts, and whom only likeness joins must each say yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cdp.events import Instant
from consent.jurisdictions import Default, State
from consent.model import Decision, agreed, latest
from consent.purposes import Purpose
from consent.stamps import GPC

CONTRADICTION = 60_000_000  # microseconds in which two fragments' words count as said at once


class Told(NamedTuple):
    """What one subject has decided, and the jurisdictions it was seen in."""

    decisions: Sequence[Decision] = ()
    seen_in: Sequence[str] = ()


class Standing(NamedTuple):
    """How a person stands on a purpose, and why.

    That is a decision, or what the law says without one; `until` is when a yes ends by itself, and
    of one that has ended `decision` is what it was.
    """

    state: State
    decision: Decision | None
    default: Default | None = None
    until: Instant | None = None
    expired: bool = False


class Ground:
    """What standings are told by: the purposes, the instance's own jurisdiction, and the moment."""

    def __init__(self, purposes: Sequence[Purpose], home: str, now: Instant) -> None:
        self.purposes, self.home, self.now = {each.key: each for each in purposes}, home, now
        self.meant: dict[str, list[str]] = {}  # by a signal
        for purpose in purposes:
            for signal in purpose.meant_by:
                self.meant.setdefault(signal, []).append(purpose.key)
        self._by_law: dict[frozenset[str], dict[str, Standing]] = {}

    def by_law(self, seen_in: frozenset[str]) -> dict[str, Standing]:
        """How all stand who decided nothing and were seen there: one and the same answer."""
        found = self._by_law.get(seen_in)
        if found is None:
            told = ((key, each.default(seen_in, self.home)) for key, each in self.purposes.items())
            found = {key: Standing(default.state, None, default) for key, default in told}
            self._by_law[seen_in] = found
        return found


def standing(ground: Ground, sides: Iterable[Sequence[Told]]) -> dict[str, Standing]:
    """How somebody stands on every purpose.

    A person has one side, of all of their subjects; several where only likeness joins them.
    """
    each = [_side(ground, side) for side in sides]
    if len(each) == 1:
        return each[0]
    if not each:
        return _side(ground, ())
    return {key: min((side[key] for side in each), key=_caution) for key in ground.purposes}


def granted(stands: Mapping[str, Standing]) -> dict[str, bool]:
    """Which purposes somebody who stands like that allows."""
    return {purpose: stand.state == "granted" for purpose, stand in stands.items()}


def until(stands: Mapping[str, Standing]) -> Instant | None:
    """When somebody who stands like that will stand otherwise, by time alone."""
    return min((each.until for each in stands.values() if each.until is not None), default=None)


def _side(ground: Ground, told: Sequence[Told]) -> dict[str, Standing]:
    by_law = ground.by_law(_seen_in(told))
    heard: dict[str, list[Decision]] = {}
    for each in told:
        if each.decisions:
            for purpose, best in _words(ground, latest(each.decisions)).items():
                heard.setdefault(purpose, []).append(best)
    if not heard:
        return by_law
    return by_law | {
        key: _stand(ground.purposes[key], said, by_law[key], ground.now)
        for key, said in heard.items()
    }


def _words(ground: Ground, heard: Mapping[str, Decision]) -> dict[str, Decision]:
    """What one fragment says of each purpose that its signals mean."""
    own: dict[str, list[Decision]] = {}
    for signal, decision in heard.items():
        for purpose in ground.meant.get(signal, ()):
            if not (decision.under_gpc and purpose in ground.meant.get(GPC, ())):
                own.setdefault(purpose, []).append(decision)
    found: dict[str, Decision] = {}
    for purpose, said in own.items():
        agreed_on = agreed(said)
        if agreed_on:
            found[purpose] = said[0] if len(said) == 1 else max(agreed_on, key=_rank)
    return found


def _seen_in(told: Sequence[Told]) -> frozenset[str]:
    """The newest jurisdiction that was stated with a decision, else all that were seen."""
    stated = [d for each in told for d in each.decisions if d.jurisdiction]
    if stated:
        return frozenset({max(stated, key=_rank).jurisdiction})
    return frozenset(code for each in told for code in each.seen_in)


def _stand(purpose: Purpose, heard: Sequence[Decision], by_law: Standing, now: Instant) -> Standing:
    last = heard[0] if len(heard) == 1 else max(heard, key=_rank)
    if last.state == "granted" and len(heard) > 1:
        said_at_once = last.at - CONTRADICTION
        against = [d for d in heard if d.state == "denied" and d.at >= said_at_once]
        last = max((d for d in against if d.signal != GPC), key=_rank, default=last)
    if last.state == "denied":
        return Standing("denied", last)
    end = purpose.expires(last.at)
    if end is not None and end <= now:
        return by_law._replace(decision=last, expired=True)
    return Standing("granted", last, until=end)


def _rank(decision: Decision) -> tuple[Any, ...]:
    """By weight; the rest only makes the choice the same in whatever order they come."""
    return (*decision.weight, decision)


def _caution(stand: Standing) -> tuple[Any, ...]:
    """The most cautious comes first; the rest makes the choice the same whoever comes first."""
    decision, default = stand.decision, stand.default
    if decision is not None:
        return stand.state, False, decision.weight, decision
    return stand.state, True, default.regime if default else ""
