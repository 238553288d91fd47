"""What can change of somebody, and which of it the truth of a condition rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from profiles.language.conditions import (
    Condition,
    Count,
    Identified,
    Measure,
    Measured,
    Predicted,
    Seen,
    Sequence,
    Trait,
    asked,
    inlined,
)
from profiles.language.spans import Calendar

# What can change of somebody: ("event", its name), ("trait", its name), ("identifier", namespace),
# ("prediction", model), where they live, or the first or the last of all they did.
Kind: TypeAlias = Literal["event", "trait", "identifier", "prediction", "zone", "first", "last"]
Aspect: TypeAlias = tuple[Kind, str]
LIVING: Final[tuple[Aspect, ...]] = (("zone", ""), ("trait", "timezone"))


def aspects(condition: Condition) -> Iterator[Aspect]:
    """What its truth rests on, but for the time and for what they allow."""
    for each in inlined(condition):
        match each:
            case Trait(name):
                yield from (("trait", name), ("trait", name.partition(".")[0]))
            case Identified(namespace):
                yield "identifier", namespace
            case Seen(which):
                yield which, ""
            case Count(event):
                yield "event", event
            case Measured(Measure() as measure):
                yield "event", measure.event
                if measure.kind == "days" or isinstance(measure.span, Calendar):
                    yield from LIVING
            case Measured(Predicted(model)):
                yield "prediction", model
            case Measured(Sequence() as sequence):
                yield from (("event", counter.event) for counter in asked(sequence))
                if isinstance(sequence.span, Calendar):
                    yield from LIVING
