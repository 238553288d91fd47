"""A message to every device of a person: what came of all of them, and which are no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from activation.kinds.protocol import Late, Message, Reach
from activation.model import MESSAGE, Outcome
from activation.push import model

GONE = frozenset({404, 410})  # the device takes no messages any more
FOR_GOOD = frozenset({400, 401, 403, 413})  # what would be answered again


def reaches(kind: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether somebody has a device of that kind, by their view."""
    return lambda view: bool(model.of(view, kind))


async def everywhere(
    message: Message,
    kind: str,
    reach: Reach,
    push: Callable[[Mapping[str, Any]], Awaitable[Outcome]],
) -> Outcome:
    """It counts as sent once one device took it. Late if none was tried."""
    if message.delivery.kind != MESSAGE:
        return Outcome(True, None, "")  # nothing is kept where it would have to be deleted
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
