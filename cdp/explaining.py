"""Why somebody is in a segment or not, with the events behind it, read from the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import consent.stage as consent_stage
import profiles.store as profile_store
from cdp.db import Connection
from cdp.events import Instant, ProfileId, SubjectId, event_name
from cdp.log import store as log_store
from cdp.people import People
from consent.model import denied
from consent.standing import granted
from profiles import defining
from profiles.language.explaining import Deed, Explanation, explain
from profiles.segments import Segment
from profiles.stage import Person


class Reasons(NamedTuple):
    """What is to be told; `refused` names the purpose that the person does not allow, or is empty.

    Then the segment sees nothing of them, and they are not in it whatever the tree says.
    """

    since: Instant | None  # of their membership; None: they are not in it
    refused: str
    until: Instant | None  # until when, by time alone, it stays so
    tree: Explanation


@dataclass(frozen=True, slots=True)
class Explaining:
    """Reads what a membership rests on."""

    people: People

    async def reasons(
        self, connection: Connection, segment: Segment, profile: ProfileId, now: Instant
    ) -> Reasons | None:
        """None if there is nothing of that person."""
        nodes = (await self.people.nodes(connection, [profile])).get(profile, [])
        stands = (await self.people.stands(connection, {profile: nodes}, now))[profile]
        signals = await consent_stage.signals(connection)
        person = Person(profile, nodes, granted(stands), None, "")
        sight = await self.people.profiles.sight(connection, person, signals)
        if sight is None:
            return None
        without = signals.get(segment.purpose, frozenset())
        deeds = await self._deeds(connection, nodes, without)
        known = await defining.known(connection)
        facts = sight(segment.purpose)
        tree = explain(segment.active or segment.wanted, facts, deeds, now, known)
        inside = [
            each.since
            for each in await profile_store.memberships(connection, nodes)
            if each.segment == segment.id
        ]
        stand = stands.get(segment.purpose)  # a channel may have been taken from its purpose
        if stand is None or stand.state != "granted":
            return Reasons(min(inside, default=None), segment.purpose, None, tree)
        ends = [each for each in (tree.until, stand.until) if each is not None]
        return Reasons(min(inside, default=None), "", min(ends, default=None), tree)

    async def _deeds(
        self, connection: Connection, subjects: Sequence[SubjectId], without: frozenset[str]
    ) -> list[Deed]:
        """All they did, but for what was corrected and what denies the purpose by itself."""
        found, wrong = [], set()
        async for records in log_store.of_subjects(connection, subjects):
            for each in await self.people.keyring.open_events(connection, records):
                event, name = each.event, event_name(each.event)
                wrong.add(event.corrects)
                if name and without.isdisjoint(denied(event)):
                    found.append(Deed(event.at, event.id, name, event.properties))
        return sorted((deed for deed in found if deed.id not in wrong), key=lambda deed: deed[:2])
