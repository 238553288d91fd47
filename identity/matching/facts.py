"""What matching says of two identifiers, as a fact in the log. It names nobody: hashes, and levels.

A later one on the same pair takes the place of an earlier one; a probability of 0 takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cdp.events import Event
from identity.graph import Inference, NodeId
from identity.identifiers import INFER
from identity.matching.fields import Evidence


def properties(
    pair: tuple[NodeId, NodeId], probability: float, evidence: Sequence[Evidence], version: int
) -> dict[str, Any]:
    """An event's properties; `version` is that of what was compared, and by which weights."""
    return {
        "nodes": [each.hex() for each in sorted(pair)],
        "probability": probability,
        "fields": [list(each) for each in evidence],
        "matching": version,
    }


def inference(event: Event) -> Inference | None:
    """What an event says; None for every other event."""
    if event.type != INFER:
        return None
    a, b = (bytes.fromhex(each) for each in event.properties["nodes"])
    return Inference(a, b, event.properties["probability"], event.at, event.id)


def evidence(event: Event) -> list[dict[str, Any]]:
    """What it says field by field, for people."""
    named = (Evidence(*each) for each in event.properties.get("fields", ()))
    return [{"field": each.field, "says": each.says, "bits": each.bits} for each in named]
