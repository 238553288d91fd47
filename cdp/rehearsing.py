"""What a campaign would have done lately, had it been there: nothing is begun, nothing is sent."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from activation.campaigns import model
from activation.campaigns.model import Campaign, Journey, Start
from activation.campaigns.program import Pause, Send
from cdp.db import Connection
from cdp.delivery.campaigning import Looking
from cdp.events import Instant, ProfileId
from cdp.people import People

_SLICE = 500


class Rehearsal(NamedTuple):
    """Of so many starts: who would have begun, been held out, not begun and why, and the ways."""

    starts: int
    people: int
    begun: int
    held_out: int
    refused: dict[str, int]
    first: dict[str, int]  # the first message: how many by which destination
    nobody: int  # who begins, but may or can be reached by none


async def rehearse(
    connection: Connection,
    people: People,
    campaign: Campaign,
    starts: Sequence[Start],
    now: Instant,
) -> Rehearsal:
    """By what would have begun it, and by who people are, and what they allow, now."""
    by: dict[ProfileId, list[Start]] = {}
    for each in starts:
        by.setdefault(each.profile, []).append(each)
    found, ways, nobody = Counter[str](), Counter[str](), 0
    refused: Counter[str] = Counter()
    profiles = sorted(by)
    for first in range(0, len(profiles), _SLICE):
        some = profiles[first : first + _SLICE]
        nodes = await people.nodes(connection, some)
        stands = await people.stands(connection, nodes, now)
        present = await Looking(connection, people, stands)(list(nodes))
        for who in some:
            for journey in _journeys(campaign, by[who], present.inside.get(who, ())):
                found[journey.state] += 1
                refused[journey.reason] += journey.state == "refused"
                send = next((each for each in campaign.program if isinstance(each, Send)), None)
                if journey.state == "active" and send is not None:
                    reached = present.reached(who, campaign.purpose, send.channels)
                    nobody += reached is None
                    ways[reached.destination if reached else ""] += 1
    del ways[""]
    del refused[""]
    return Rehearsal(
        len(starts), len(by), found["active"], found["held_out"], dict(refused), dict(ways), nobody
    )


def _journeys(campaign: Campaign, starts: Sequence[Start], inside: Any) -> list[Journey]:
    """As they would have gone: each is over before the next begins, unless its waits are longer."""
    waits = sum(each.length for each in campaign.program if isinstance(each, Pause))
    before: list[Journey] = []
    for start in itertools.chain(starts):
        for each in before:
            if each.state == "active" and each.at + waits <= start.at:
                each.state = "finished"
        before.append(model.begin(campaign, start, before, inside))
    for each in before:
        each.state = "active" if each.state == "finished" else each.state
    return before
