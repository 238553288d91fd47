"""Holds an event against its source's tracking plan, where there is one."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from cdp.collect.normalise import Refused
from cdp.events import Event, event_name
from cdp.plans.model import QUARANTINED, STRIPPED, Rules
from cdp.quality.sights import Broken, Sights


class Planned(NamedTuple):
    """An event as it goes on, and why it may not be stored, if that is so."""

    event: Event
    refused: Refused | None = None


def planned(event: Event, rules: Rules, sights: Sights, strict: bool) -> Planned:
    """What the plan makes of it. Calls that are not behaviour are in no plan.

    What it breaks is counted. To a strict caller Refused is raised instead, where that comes of it.
    """
    name = event_name(event)
    judged = rules.judge(name, event.properties) if name else None
    if judged is None:
        return Planned(event)
    refused = None
    if judged.outcome == QUARANTINED:
        refused = Refused(*rules.reason(name, judged))
        if strict:
            raise refused
    sights.note(judged.outcome, (Broken(name, *each) for each in judged.violations))
    if judged.outcome == STRIPPED:
        event = msgspec.structs.replace(event, properties=judged.properties)
    return Planned(event, refused)
