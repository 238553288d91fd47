"""Which deliveries pass the gate, and what is known of each from there to its sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from activation.claims import Claim
from activation.kinds.protocol import Connector, Message
from activation.model import ERASED, UPDATED, Delivery, Destination, nobody
from activation.opening import Connectors
from activation.pacing.stage import Due
from activation.shaping import shaped
from activation.store import Mark, Stored
from cdp.events import Instant, ProfileId, SubjectId

NOWHERE = "no such destination any more"


class Permit(NamedTuple):
    """What the consent gate said about one delivery at the moment of sending."""

    granted: bool
    cite: dict[str, Any]  # the consent fact that allows it, or what is missing


class Ready(NamedTuple):
    """A delivery that passed the gate, and what is told where."""

    message: Message
    destination: Destination
    connector: Connector
    claim: Claim
    slot: Instant = 0  # not before, where a destination has a rate

    @property
    def delivery(self) -> Delivery:
        """Which one."""
        return self.message.delivery


class Whom(NamedTuple):
    """The people that deliveries are to: their identifiers, and what is known of them."""

    people: Mapping[ProfileId, Sequence[SubjectId]]
    views: Mapping[ProfileId, Mapping[str, Any]]


class Allowed(NamedTuple):
    """A delivery that consent lets through, where to, and what it says."""

    delivery: Delivery
    target: Stored
    view: Mapping[str, Any]
    says: Mapping[str, Any]
    cite: Mapping[str, Any]
    content: Mapping[str, Any] = MappingProxyType({})  # of a message
    slot: Instant = 0

    def due(self) -> Due:
        """As pacing sees it."""
        destination = self.target.destination
        return Due(self.delivery, destination.channel or destination.kind, self.says)

    def ready(self, connectors: Connectors, claim: Claim) -> Ready:
        """As it is sent."""
        tried = self.delivery._replace(attempts=self.delivery.attempts + 1)
        view = shaped(self.target.destination.settings, self.view)
        message = Message(tried, view, self.content, {})
        connector = connectors.of(self.target)
        return Ready(message, self.target.destination, connector, claim, self.slot)


def permitted(
    asked: Sequence[tuple[Delivery, Stored | None, Permit]],
    said: Mapping[bytes, Mapping[str, Any]],
    views: Mapping[ProfileId, Mapping[str, Any]],
) -> tuple[list[Allowed], list[Mark]]:
    """Those that there is somebody for, who allows it, and somewhere to send to; else why not."""
    marks: list[Mark] = []
    allowed: list[Allowed] = []
    for delivery, target, permit in asked:
        says = said.get(delivery.id, {})
        view = says if delivery.kind == ERASED else views.get(delivery.profile)
        view = view or nobody(delivery)
        if not permit.granted:
            marks.append(Mark(delivery.id, "refused", "consent", consent=permit.cite))
        elif target is None or not target.destination.enabled:
            marks.append(Mark(delivery.id, "parked", NOWHERE))
        elif view is None:
            marks.append(Mark(delivery.id, "parked", "no such profile any more"))
        elif delivery.kind == UPDATED and delivery.segment not in view.get("segments", ()):
            marks.append(Mark(delivery.id, "refused", "not in the segment any more"))
        else:
            allowed.append(Allowed(delivery, target, view, says, permit.cite))
    return allowed, marks
