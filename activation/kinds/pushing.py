"""A message to every device of a person: what came of all of them, and which are no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from activation.claims import Claim
from activation.kinds.protocol import MESSAGES_ALONE, Late, Message, Reach
from activation.model import MESSAGE, Destination, Outcome
from activation.push import model
from cdp.events import Instant

GONE = frozenset({404, 410})  # the device takes no messages any more
FOR_GOOD = frozenset({400, 401, 403, 413})  # what would be answered again


def reaches(kind: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether somebody has a device of that kind, by their view."""
    return lambda view: bool(model.of(view, kind))


def texts(message: Message) -> dict[str, str]:
    """What an app gets beside what is shown: its template's data, and where it leads."""
    data = message.content.get("data")
    found = {name: str(each) for name, each in data.items()} if isinstance(data, Mapping) else {}
    url = message.content.get("url")
    return found | {"url": str(url)} if url else found


@dataclass(slots=True)
class Apps:
    """Sends each message to every app of its person; it counts as sent once one device took it."""

    reach: Reach
    destination: Destination
    most: ClassVar[int] = 1
    kind: ClassVar[str]

    async def send(
        self, messages: Sequence[Message], claim: Claim, now: Instant
    ) -> Sequence[Outcome]:
        """One person after the other."""
        return [await self._tell(each, claim, now) for each in messages]

    async def close(self) -> None:
        """The connections are everybody's."""

    async def _tell(self, message: Message, claim: Claim, now: Instant) -> Outcome:
        async def push(device: Mapping[str, Any]) -> Outcome:
            return await self._push(device, message, claim, now)

        return await everywhere(message, self.kind, self.reach, push)

    async def _push(
        self, device: Mapping[str, Any], message: Message, claim: Claim, now: Instant
    ) -> Outcome:
        raise NotImplementedError


async def everywhere(
    message: Message,
    kind: str,
    reach: Reach,
    push: Callable[[Mapping[str, Any]], Awaitable[Outcome]],
) -> Outcome:
    """It counts as sent once one device took it. Late if none was tried."""
    if message.delivery.kind != MESSAGE:
        return Outcome(False, None, MESSAGES_ALONE, final=True)
    outcomes: list[Outcome] = []
    gone: list[str] = []
    for name, device in model.of(message.view, kind).items():
        try:
            outcome = await push(device)
        except Late:
            if not outcomes:
                raise
            break
        outcomes.append(outcome)
        if outcome.status in GONE:
            gone.append(name)
    if gone:
        await reach.gone(message.view, gone, message.delivery.id)
    return _came_of(outcomes)


def _came_of(outcomes: Sequence[Outcome]) -> Outcome:
    """One that took it; else one worth trying again; else the last."""
    if not outcomes:
        return Outcome(False, None, "no subscription", final=True)
    taken = [each for each in outcomes if each.delivered]
    worth = [each for each in outcomes if not each.final]
    return (taken or worth or list(outcomes))[-1]
