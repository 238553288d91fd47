"""Takes people's journeys further, and writes the messages that this takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from activation.campaigns import model
from activation.campaigns.model import Campaign, Journey
from activation.campaigns.program import Send
from activation.campaigns.store import Sent
from activation.letters import Letter
from activation.model import MESSAGE, Delivery
from cdp.events import Instant, ProfileId


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


NOBODY = Present({}, lambda *_: None, lambda purpose, keys: Way(keys[0], purpose))
Look = Callable[[Collection[ProfileId]], Awaitable[Present]]


def is_due(journey: Journey, now: Instant) -> bool:
    """Whether it goes on now."""
    return journey.state == "active" and journey.due is not None and journey.due <= now


@dataclass(slots=True)
class Going:
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
            if campaign is None or campaign.paused or not is_due(journey, self.now):
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
        says = said_of(campaign, send, journey.cause, who)
        self.letters.append(Letter(delivery, says))
        told = delivery.id, journey.id, send.step, way.destination, says["template"]
        self.sent.append(Sent(*told))


def said_of(campaign: Campaign, send: Send, cause: str, who: ProfileId) -> dict[str, Any]:
    """The references that a step's message is made of."""
    return {
        "template": model.template_of(campaign, send, who),
        "campaign": campaign.key,
        "version": campaign.version,
        "step": send.step,
        "priority": campaign.priority,
        "timing": send.timing,
        "event": _event(cause),
    }


def _event(cause: str) -> str:
    """The id of the event behind a cause, if it was one."""
    last = cause.rpartition(" ")[2]
    return last if len(last) == 32 and not cause.startswith("call ") else ""
