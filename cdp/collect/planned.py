"""Holds an event against its source's tracking plan, where there is one."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from cdp.collect.normalise import Refused
from cdp.events import Event, event_name
from cdp.plans.model import QUARANTINED, STRIPPED, Judged, Rules, reason
from cdp.quality.sights import Broken, Sights, counted_as


class Planned(NamedTuple):
    """An event as it came and as it goes on, and why it may not be stored, if that is so."""

    told: Event
    event: Event
    judged: Judged | None = None  # nothing if it is as planned
    refused: Refused | None = None

    def note(self, sights: Sights) -> None:
        """Count it, and what it broke."""
        sights.add(self.told)
        if self.judged is not None:
            name = counted_as(self.told)
            sights.outcomes[self.judged.outcome] += 1
            for each in self.judged.violations:
                sights.broken[Broken(name, each.property, each.rule)] += 1


def planned(event: Event, rules: Rules) -> Planned:
    """What the plan makes of it. Calls that are not behaviour are in no plan."""
    name = event_name(event)
    judged = rules.judge(name, event.properties) if name else None
    if judged is None:
        return Planned(event, event)
    if judged.outcome == QUARANTINED:
        return Planned(event, event, judged, Refused(*reason(judged, rules.version)))
    left = event
    if judged.outcome == STRIPPED:
        left = msgspec.structs.replace(event, properties=judged.properties)
    return Planned(event, left, judged)
