"""Who a visitor is, as far as a decision needs it: segments and consent, remembered by version.

A profile's version changes with everything that touches it, so what is remembered is what would be
read again; only what changes by the clock alone waits for the end of a few seconds.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cdp import times
from cdp.db import Database
from cdp.events import Identifier, ProfileId, SubjectId
from cdp.people import People
from cdp.personalizing.held import Catalogue
from cdp.personalizing.questions import Questions
from cdp.personalizing.store import Found
from consent.model import Decision
from consent.standing import Told, granted, standing

_SECONDS = 10.0  # what is remembered counts for
_MOST = 50_000  # profiles
_NONE = -1  # no profile's version


class Known(NamedTuple):
    """A person, as content is chosen by."""

    profile: ProfileId
    segments: frozenset[str]
    allows: Mapping[str, bool]


_UNKNOWN: tuple[int, float, Known | None] = (_NONE, 0.0, None)


class Reader:
    """Of this process. Nothing of what anybody is called is remembered."""

    def __init__(
        self, database: Database, people: People, catalogue: Catalogue, questions: Questions
    ) -> None:
        self.database, self.people = database, people
        self._catalogue = catalogue
        self._questions = questions
        self._known: OrderedDict[SubjectId, tuple[int, float, Known]] = OrderedDict()
        catalogue.also.append(self._known.clear)

    async def find(self, who: Sequence[Identifier]) -> Known | None:
        """The first of these identifiers that is somebody's; None if all are new."""
        ids = [self.people.keyring.vault.subject(*each) for each in who]
        found = await self._questions.who({each: self._version(each) for each in ids})
        node = next((each for each in ids if each in found), None)
        if node is None:
            return None
        told, (version, _, known) = found[node], self._known.get(node, _UNKNOWN)
        if told.nodes is None:
            same = known is not None and known.profile == told.profile
            if same and version == told.version:
                return known
            # another profile's version, which happens to be the same
            told = (await self._questions.who({node: _NONE})).get(node, told)
        made = await self._made(told)
        self._known[node] = told.version, time.monotonic() + _SECONDS, made
        self._known.move_to_end(node)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return made

    def _version(self, subject: SubjectId) -> int:
        version, ends, _ = self._known.get(subject, _UNKNOWN)
        return version if ends > time.monotonic() else _NONE

    def seed(self, who: Sequence[Identifier]) -> bytes:
        """What stands for somebody who is not known yet."""
        return self.people.keyring.vault.subject(*who[0])

    async def _made(self, found: Found) -> Known:
        nodes, now = found.nodes or [], times.now()
        if found.likely:  # each of those who may be one must agree: see `consent.standing`
            people = {found.profile: nodes}
            async with self.database.autocommit() as connection:
                stands = (await self.people.stands(connection, people, now))[found.profile]
        else:
            stands = standing(self._catalogue.ground(now), [_told(found)])
        return Known(found.profile, frozenset(found.segments or ()), granted(stands))


def _told(found: Found) -> list[Told]:
    decisions: dict[str, list[Decision]] = {}
    for subject, signal, state, at, event, *rest in found.decisions or ():
        made = Decision(signal, state, at, bytes.fromhex(event), *rest)
        decisions.setdefault(subject, []).append(made)
    seen: dict[str, list[str]] = {}
    for subject, code in found.seen or ():
        seen.setdefault(subject, []).append(code)
    return [
        Told(decisions.get(each.hex(), ()), seen.get(each.hex(), ())) for each in found.nodes or ()
    ]
