"""Begins people's journeys and takes them further, with the agent that looks at whole people."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from activation import letters
from activation.campaigns import model, store
from activation.campaigns.model import Campaign, Journey, Send, Start
from activation.campaigns.store import Heard, Response, Sent
from activation.letters import Letter
from activation.model import CORRECTION, MESSAGE, Delivery, Entry
from cdp.db import Connection
from cdp.events import Event, Instant, ProfileId, SubjectId

_NAMESPACE = uuid.UUID("c0c1b0c8-9f4e-5d83-8f0a-07a7f0b6f0e1")
_OURS = 0  # the source that stands for the platform: nobody else says what became of a message
RESPONSES = {
    "Email Opened": "opened",
    "Email Link Clicked": "clicked",
    "Email Bounced": "bounced",
    "Email Marked as Spam": "complained",
}
_LATE = 86_400_000_000  # microseconds: an event that comes later than this begins nothing


class Way(NamedTuple):
    """By which destination a person is reached, and the purpose that this takes."""

    destination: str
    purpose: str


class Present(NamedTuple):
    """People as they are now: the segments they are in, and by what they can be reached.

    Both are asked for a person, a purpose and keys of destinations, in order: by which of them they
    are `reached`, None if none may or can; and the first, whose ledger then says why not.
    """

    inside: Mapping[ProfileId, Collection[str]]
    reached: Callable[[ProfileId, str, Sequence[str]], Way | None]
    first: Callable[[str, Sequence[str]], Way]


_NOBODY = Present({}, lambda *_: None, lambda purpose, keys: Way(keys[0], purpose))
Look = Callable[[Collection[ProfileId]], Awaitable[Present]]


@dataclass(slots=True)
class Listening:
    """What the events of a chunk mean to campaigns."""

    starts: Mapping[str, Sequence[str]]  # campaigns by the event that begins them
    goals: Mapping[str, Sequence[str]]
    heard: list[Heard] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def hear(self, subject: SubjectId, event: Event) -> None:
        """Note what begins something, or reaches its goal; and what became of a message."""
        if event.type != "track" or event.corrects:
            return
        if event.source == _OURS and event.name in RESPONSES:
            told = uuid.UUID(event.properties["delivery"]).bytes
            self.responses.append(Response(told, RESPONSES[event.name], event.timestamp))
        late = event.received_at - event.timestamp > _LATE
        for goal, by in ((False, {} if late else self.starts), (True, self.goals)):
            for campaign in by.get(event.name, ()):
                cause = event.id.hex()
                found = uuid.uuid5(_NAMESPACE, f"{campaign}/{goal}/{cause}").bytes
                self.heard.append(Heard(found, campaign, goal, subject, cause, event.timestamp))


@dataclass(frozen=True, slots=True)
class Campaigns:
    """`sealed` seals what a delivery says."""

    sealed: Callable[[bytes, Mapping[str, Any]], bytes]

    async def listen(self, connection: Connection, *, idle: bool) -> Listening:
        """For the events that campaigns ask for now; for none, where nothing is decided."""
        starts: dict[str, list[str]] = {}
        goals: dict[str, list[str]] = {}
        for each in [] if idle else await store.live(connection):
            if each.on == "event":
                starts.setdefault(each.segment, []).append(each.key)
            if each.goal:
                goals.setdefault(each.goal.event, []).append(each.key)
        return Listening(starts, goals)

    async def run(
        self,
        connection: Connection,
        entries: Sequence[Entry],
        people: Mapping[ProfileId, Sequence[SubjectId]],
        look: Look,
        now: Instant,
    ) -> list[Delivery]:
        """Begin what these entries and what was heard begin, and take further what is due."""
        live = {each.key: each for each in await store.live(connection)}
        if not live:
            return []
        of = {node: who for who, nodes in people.items() for node in (who, *nodes)}
        journeys = await store.of(connection, of.keys())
        heard = await store.take(connection, of.keys())
        starts = [*_by_entries(live, entries), *_by_calls(live, heard, of)]
        due = {of[each.profile] for each in journeys if _is_due(each, now)}
        moving = due | {each.profile for each in starts}
        present = await look(moving) if moving else _NOBODY
        changed = _begun(live, journeys, starts, of, present)
        versions = await store.of_versions(connection, {(e.campaign, e.version) for e in journeys})
        changed |= _goals(versions, journeys, heard, of)
        going = _Going(versions, present, of, now)
        changed |= going.all(journeys)
        if changed:
            await store.write(connection, changed.values())
        if going.letters:
            await store.note_sent(connection, going.sent)
            await letters.write(connection, going.letters, self.sealed)
        return [each.delivery for each in going.letters]


def _is_due(journey: Journey, now: Instant) -> bool:
    return journey.state == "active" and journey.due is not None and journey.due <= now


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
                and model.reach(campaign, journey, each.at)
            ):
                found[journey.id] = journey
    return found


@dataclass(slots=True)
class _Going:
    """Takes journeys further, and writes the messages that this takes."""

    versions: Mapping[tuple[str, int], Campaign]
    present: Present
    of: Mapping[bytes, ProfileId]
    now: Instant
    letters: list[Letter] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def all(self, journeys: Iterable[Journey]) -> dict[bytes, Journey]:
        """Those that moved."""
        moved: dict[bytes, Journey] = {}
        for journey in journeys:
            campaign = self.versions.get((journey.campaign, journey.version))
            if campaign is None or campaign.paused or not _is_due(journey, self.now):
                continue
            who = self.of[journey.profile]
            sends = model.advance(campaign, journey, self.present.inside.get(who, ()), self.now)
            moved[journey.id] = journey
            for place, send in sends:
                self._write(campaign, journey, who, (place, send))
        return moved

    def _write(
        self, campaign: Campaign, journey: Journey, who: ProfileId, what: tuple[int, Send]
    ) -> None:
        place, send = what
        way = self.present.reached(who, campaign.purpose, send.channels)
        way = way or self.present.first(campaign.purpose, send.channels)
        delivery = Delivery(
            model.delivery_id(journey.id, place),
            way.destination,
            who,
            campaign.key,
            MESSAGE,
            self.now,
            way.purpose,
            cause=journey.cause,
        )
        says = {
            "template": send.template,
            "campaign": campaign.key,
            "version": campaign.version,
            "step": send.step,
            "priority": campaign.priority,
            "timing": send.timing,
            "event": _event(journey.cause),
        }
        self.letters.append(Letter(delivery, says))
        self.sent.append(Sent(delivery.id, journey.id, send.step, way.destination))


def _event(cause: str) -> str:
    """The id of the event behind a cause, if it was one."""
    last = cause.rpartition(" ")[2]
    return last if len(last) == 32 and not cause.startswith("call ") else ""
