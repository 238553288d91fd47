"""Who somebody is at a given confidence: which inferred links count is each reader's choice."""

from __future__ import annotations

from dataclasses import replace

import consent.stage as consent_stage
from cdp import times
from cdp.db import Connection
from cdp.events import ProfileId, SubjectId
from identity import store
from identity.rules import Rules
from identity.settling import certain, closed

PURPOSE = "profiling"  # what people have to allow for being taken for one by likeness


async def confident(
    connection: Connection, rules: Rules, profile: ProfileId, confidence: float, home: str
) -> list[SubjectId]:
    """The identifiers of this profile if inferred links at least that probable count.

    Consent is looked at as it stands now: whoever does not allow it is only what was said of them.
    """
    rules = replace(rules, confidence=confidence)
    placed = await store.nodes(connection, [profile])
    part = await closed(connection, rules, {each.component for each in placed.values()})
    profiles = part.resolution.profiles
    mine = [node for node, name in profiles.items() if name == profiles[profile]]
    parts = await certain(connection, rules, {profiles[profile]: mine})
    if len(parts) == 1:
        return mine
    allowed = await consent_stage.allowing(connection, parts, PURPOSE, home, times.now())
    own = next(each for each, nodes in parts.items() if profile in nodes)
    taken = allowed if own in allowed else {own}
    return [node for each in sorted(taken) for node in parts[each]]
