"""Begins people's journeys and takes them further, with the agent that looks at whole people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activation import letters
from activation.campaigns import model, store, versions
from activation.campaigns.going import NOBODY, Going, Look, Present, is_due
from activation.campaigns.model import Campaign, Journey, Start
from activation.campaigns.store import Heard
from activation.model import CORRECTION, Delivery, Entry
from cdp.db import Connection
from cdp.events import Instant, ProfileId, SubjectId


@dataclass(frozen=True, slots=True)
class Campaigns:
    """`sealed` seals what a delivery says."""

    sealed: Callable[[bytes, Mapping[str, Any]], bytes]

    async def run(
        self,
        connection: Connection,
        entries: Sequence[Entry],
        people: Mapping[ProfileId, Sequence[SubjectId]],
        look: Look,
        now: Instant,
    ) -> list[Delivery]:
        """Begin what these entries and what was heard begin, and take further what is due."""
        live = {each.key: each for each in await versions.live(connection)}
        if not live:
            return []
        of = {node: who for who, nodes in people.items() for node in (who, *nodes)}
        journeys = await store.of(connection, of.keys())
        heard = await store.take(connection, of.keys())
        starts = [*_by_entries(live, entries), *_by_calls(live, heard, of)]
        due = {of[each.profile] for each in journeys if is_due(each, now)}
        moving = due | {each.profile for each in starts}
        present = await look(moving) if moving else NOBODY
        changed = _begun(live, journeys, starts, of, present)
        written = await versions.of_versions(
            connection, {(e.campaign, e.version) for e in journeys}
        )
        changed |= _goals(written, journeys, heard, of)
        going = Going(written, present, of, now)
        changed |= going.all(journeys)
        if changed:
            await store.write(connection, changed.values())
        if going.letters:
            await store.note_sent(connection, going.sent)
            await letters.write(connection, going.letters, self.sealed)
        return [each.delivery for each in going.letters]


def _begun(
    live: Mapping[str, Campaign],
    journeys: list[Journey],
    starts: Iterable[Start],
    of: Mapping[bytes, ProfileId],
    present: Present,
) -> dict[bytes, Journey]:
    """Journeys that are new, which are put to the others."""
    changed: dict[bytes, Journey] = {}
    for start in starts:
        before = [
            each
            for each in journeys
            if each.campaign == start.campaign and of[each.profile] == start.profile
        ]
        inside = present.inside.get(start.profile, ())
        journey = model.begin(live[start.campaign], start, before, inside)
        if all(each.id != journey.id for each in before):
            journeys.append(journey)
            changed[journey.id] = journey
    return changed


def _by_entries(live: Mapping[str, Campaign], entries: Iterable[Entry]) -> list[Start]:
    return [
        Start(
            campaign.key, entry.profile, f"{entry.segment} {entry.offset} {entry.cause}", entry.at
        )
        for entry in entries
        for campaign in live.values()
        if campaign.on == entry.kind
        and campaign.segment == entry.segment
        and (campaign.corrections or entry.cause != CORRECTION)
    ]


def _by_calls(
    live: Mapping[str, Campaign], heard: Iterable[Heard], of: Mapping[bytes, ProfileId]
) -> list[Start]:
    return [
        Start(each.campaign, of[each.subject], each.cause, each.at)
        for each in heard
        if not each.goal and each.campaign in live
    ]


def _goals(
    versions: Mapping[tuple[str, int], Campaign],
    journeys: Sequence[Journey],
    heard: Iterable[Heard],
    of: Mapping[bytes, ProfileId],
) -> dict[bytes, Journey]:
    """Journeys whose goal was reached."""
    found: dict[bytes, Journey] = {}
    for each in heard:
        for journey in journeys:
            campaign = versions.get((journey.campaign, journey.version))
            if (
                each.goal
                and campaign is not None
                and journey.campaign == each.campaign
                and of[journey.profile] == of[each.subject]
                and model.reach(campaign, journey, each.at, bytes.fromhex(each.cause))
            ):
                found[journey.id] = journey
    return found
