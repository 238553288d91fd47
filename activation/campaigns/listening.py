"""What events mean to campaigns: they begin journeys, reach goals, answer messages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from activation.campaigns import versions
from activation.campaigns.store import Heard, Response
from cdp.db import Connection
from cdp.events import Event, SubjectId

_NAMESPACE = uuid.UUID("c0c1b0c8-9f4e-5d83-8f0a-07a7f0b6f0e1")
_OURS = 0  # the source that stands for the platform: nobody else says what became of a message
BOUNCED = "Email Bounced"
RESPONSES = {
    "Email Opened": "opened",
    "Email Link Clicked": "clicked",
    BOUNCED: "bounced",
    "Email Marked as Spam": "complained",
}
_BY_LINK = re.compile(r"\bdelivery ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_LATE = 86_400_000_000  # microseconds: an event that comes later than this begins nothing


Holds: TypeAlias = Callable[[Mapping[str, Any]], bool]
Read: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], Holds]
Wanted: TypeAlias = tuple[str, Holds]  # a campaign's key, and which events it means


@dataclass(slots=True)
class Listening:
    """What the events of a chunk mean to campaigns."""

    starts: Mapping[str, Sequence[Wanted]]  # campaigns by the event that begins them
    goals: Mapping[str, Sequence[Wanted]]
    heard: list[Heard] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    bounced: list[bytes] = field(default_factory=list)  # messages that came back for good

    def hear(self, subject: SubjectId, event: Event) -> None:
        """Note what begins something, or reaches its goal; and what became of a message."""
        if event.corrects:
            return
        if event.type == "consent" and event.source == _OURS:
            self._leave(event)
        if event.type != "track":
            return
        if event.source == _OURS and event.name in RESPONSES:
            told = uuid.UUID(event.properties["delivery"]).bytes
            if event.name == BOUNCED and not event.properties.get("status", "").startswith("4."):
                self.bounced.append(told)
            self.responses.append(Response(told, RESPONSES[event.name], event.timestamp))
        late = event.received_at - event.timestamp > _LATE
        for goal, by in ((False, {} if late else self.starts), (True, self.goals)):
            for campaign, holds in by.get(event.name, ()):
                if not holds(event.properties):
                    continue
                cause = event.id.hex()
                found = uuid.uuid5(_NAMESPACE, f"{campaign}/{goal}/{cause}").bytes
                self.heard.append(Heard(found, campaign, goal, subject, cause, event.timestamp))

    def _leave(self, event: Event) -> None:
        """Who said no by a link in a message has unsubscribed by it."""
        said = event.properties
        found = _BY_LINK.search(str(said.get("proof", "")))
        if found is not None and said.get("state") == "denied":
            told = uuid.UUID(found[1]).bytes
            self.responses.append(Response(told, "unsubscribed", event.timestamp))


async def listen(connection: Connection, read: Read, *, idle: bool) -> Listening:
    """For the events that campaigns ask for now; for none, where nothing is decided.

    `read` makes a test of properties of conditions on them.
    """
    starts: dict[str, list[Wanted]] = {}
    goals: dict[str, list[Wanted]] = {}
    for each in [] if idle else await versions.live(connection):
        if each.on == "event":
            starts.setdefault(each.segment, []).append((each.key, read(each.where)))
        if each.goal:
            goals.setdefault(each.goal.event, []).append((each.key, read(())))
    return Listening(starts, goals)
