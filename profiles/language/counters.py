"""Counters: which events a definition needs something kept of, and what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from profiles.language.comparing import READINGS, Test, lookup, satisfies


class Filter(NamedTuple):
    """What a property must satisfy."""

    property: str
    tests: tuple[Test, ...]
    reads: str = ""  # what it is read as before; see READINGS


class Filters(NamedTuple):
    """What several filters must do together; of `not` there is one."""

    rule: Literal["all", "any", "not"]
    of: tuple[Filter | Filters, ...]


# What is kept of the events that a counter matches; `keeping` says how.
Keep: TypeAlias = Literal["instants", "entries", "numbers", "sums", "ends", "tops", "quarters"]


class Counter(NamedTuple):
    """What is to be kept of an event, filtered; `key` says all of it, canonically."""

    key: str
    event: str
    filters: tuple[Filter | Filters, ...]
    newest: int
    keep: Keep = "instants"
    of: str = ""  # the property that is kept, for what keeps one
    horizon: int = 0  # microseconds before the newest after which nobody asks; 0: never


def matches(filters: tuple[Filter | Filters, ...], properties: Mapping[str, Any]) -> bool:
    """Whether an event's properties satisfy every filter."""
    for each in filters:
        if isinstance(each, Filter):
            value = lookup(properties, each.property)
            held = satisfies(READINGS[each.reads](value) if each.reads else value, each.tests)
        elif each.rule == "any":
            held = any(matches((inner,), properties) for inner in each.of)
        else:
            held = matches(each.of, properties) is (each.rule == "all")
        if not held:
            return False
    return True
