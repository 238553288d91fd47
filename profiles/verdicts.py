"""What was found of whom: of many segments, an event can change only those that rest on it."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence, Set
from typing import NamedTuple

from cdp.events import Instant, ProfileId
from profiles.facts import Sight
from profiles.language.aspects import Aspect, aspects
from profiles.model import Definition, Evaluation, verdicts

FEW = 16  # definitions that are evaluated sooner than looked up what was found before
SIZE = 2_000_000  # verdicts of all profiles together; 8 bytes each


class Case(NamedTuple):
    """Somebody to be judged; what is known holds for the version and the ground it was found on.

    `ground` stands for all that verdicts rest on but what happened and the time; `version` is the
    stored evaluation's. `changed` is what may be other since, None: anything. `inside` are the
    numbers of the segments that they are in.
    """

    profile: ProfileId
    sight: Sight
    granted: Mapping[str, bool]
    inside: Set[int]
    changed: Set[bytes] | None
    version: Instant | None
    ground: int


class _Found(NamedTuple):
    version: Instant
    ground: int
    untils: array[int]  # by place among the definitions; 0: whatever the time


class Verdicts:
    """Of segments as they are defined now; `mark` gives what stands for an aspect.

    What was found lies here under the version of the stored evaluation, so that it is used only
    where nobody evaluated since and nothing was rolled back.
    """

    def __init__(
        self, definitions: Sequence[Definition], mark: Callable[[Aspect], bytes], size: int = SIZE
    ) -> None:
        self._definitions = definitions
        self._places = {each.id: place for place, each in enumerate(definitions)}
        self._found: OrderedDict[ProfileId, _Found] = OrderedDict()
        self._most = max(size // max(len(definitions), 1), 1)  # profiles
        self._resting: dict[bytes, list[int]] = {}
        self._last: list[int] = []  # which rest on the last of all they did
        for place, each in enumerate(definitions):
            for aspect in set(aspects(each.condition)):
                if aspect[0] == "last":
                    self._last.append(place)
                else:
                    self._resting.setdefault(mark(aspect), []).append(place)

    def worth(self) -> bool:
        """Whether there are so many that it is worth knowing what changed."""
        return len(self._definitions) > FEW

    def knows(self, profile: ProfileId, changed: Set[bytes] | None) -> bool:
        """Whether it is worth asking for the version of the stored evaluation."""
        return changed is not None and profile in self._found

    def judge(self, case: Case, now: Instant) -> Evaluation:
        """Where they stand as of now. Only what can be other than it was is evaluated."""
        known = self._known(case)
        if known is None:
            untils = array("q", bytes(8 * len(self._definitions)))
            asked, member_of = self._definitions, set[int]()
        else:
            untils = known[:]
            asked = [self._definitions[place] for place in self._open(case.changed, known, now)]
            member_of = (case.inside & self._places.keys()) - {each.id for each in asked}
        for segment, outcome in verdicts(asked, case.sight, case.granted, now):
            untils[self._places[segment]] = outcome.until or 0
            if outcome.holds:
                member_of.add(segment)
        self._keep(case.profile, _Found(now, case.ground, untils))
        return Evaluation(member_of, min(filter(None, untils), default=None))

    def _known(self, case: Case) -> array[int] | None:
        found = self._found.get(case.profile)
        if case.changed is None or found is None:
            return None
        same = (found.version, found.ground) == (case.version, case.ground)
        return found.untils if same else None

    def _open(self, changed: Set[bytes] | None, known: array[int], now: Instant) -> list[int]:
        """The places of those that rest on what changed, or have come to their time."""
        places = {place for place, until in enumerate(known) if 0 < until <= now}
        for each in changed or ():
            places.update(self._resting.get(each, ()))
        if changed:
            places.update(self._last)
        return sorted(places)

    def _keep(self, profile: ProfileId, found: _Found) -> None:
        if not self.worth():
            return
        self._found[profile] = found
        self._found.move_to_end(profile)
        while len(self._found) > self._most:
            self._found.popitem(last=False)
