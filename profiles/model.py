"""A profile is the join of its fragments; membership is a function of profile, definition, now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cdp.events import Instant, SubjectId
from profiles.facts import Facts
from profiles.fragment import Fragment, Register, Tally, has_happened, parts
from profiles.language.conditions import Condition, Predicted, Value
from profiles.language.conditions import Facts as Asked
from profiles.language.evaluating import Outcome, evaluate
from profiles.language.measuring import reading
from profiles.language.parsing import TIMED
from profiles.language.spans import DAY, by_local_hour


@dataclass(slots=True)
class Profile:
    """One person, as of the fragments that were joined; whose key is to seal what is made of it."""

    subject: SubjectId = b""
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, Tally] = field(default_factory=dict)
    first_seen: Instant = 0
    last_seen: Instant = 0
    timezone: str = ""  # that their traits say, else that their devices told last; or empty
    active_hours: dict[int, int] = field(default_factory=dict)  # how often by hour of their day


class Definition(NamedTuple):
    """A segment as it is evaluated."""

    id: int
    key: str
    purpose: str
    condition: Condition


class Computed(NamedTuple):
    """A computed trait as it is shown."""

    key: str
    purpose: str
    measure: Value


class Shown(NamedTuple):
    """Computed traits that have a value, when one could change by itself, and who predicts which.

    `predicted` has the model, its version and the instant of what models say.
    """

    values: dict[str, Any]
    until: Instant | None = None
    predicted: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Evaluation(NamedTuple):
    """Where a profile stands in every segment, and when that could change by itself."""

    member_of: set[int]
    due: Instant | None


def join(
    fragments: Mapping[SubjectId, Fragment],
    belongs: Callable[[str, str], bool],
    without: frozenset[str] = frozenset(),
) -> Profile:
    """Unify fragments (at least one). `belongs` tells which identifiers are this person's.

    A fragment also remembers identifiers that the graph has refused to link. Nothing is taken from
    events that deny any of the signals `without`.
    """
    profile = Profile(min(fragments))
    traits: dict[str, Register] = {}
    groups: dict[str, dict[str, Register]] = {}
    seen: dict[str, dict[str, Instant]] = {}
    for fragment in fragments.values():
        _older(profile, fragment)
        for group, registers in fragment.groups.items():
            _latest(groups.setdefault(group, {}), registers)
        for part in parts(fragment, without):
            _latest(traits, part.traits)
            for namespace, values in part.identifiers.items():
                _earliest(seen.setdefault(namespace, {}), values)
            for name, tally in part.events.items():
                _add_up(profile.events, name, tally)
    profile.traits = _values(traits)
    profile.groups = {group: _values(groups[group]) for group in sorted(groups)}
    for namespace in sorted(seen):
        values = seen[namespace]
        mine = [value for value in values if belongs(namespace, value)]
        if mine:
            mine.sort(key=lambda value: (values[value], value))
            profile.identifiers[namespace] = mine
    profile.events = dict(sorted(profile.events.items()))
    whole = Facts([part for each in fragments.values() for part in parts(each, without)], {})
    profile.timezone = whole.zone()
    hours = whole.hours()
    profile.active_hours = by_local_hour(hours, profile.timezone, profile.last_seen)
    return profile


def evaluate_all(
    definitions: Iterable[Definition],
    facts: Callable[[str], Asked],
    granted: Mapping[str, bool],
    now: Instant,
) -> Evaluation:
    """Membership in every segment. One whose purpose the person has not allowed sees nobody.

    `facts` gives what a purpose may see of them.
    """
    found = list(verdicts(definitions, facts, granted, now))
    changes = [outcome.until for _, outcome in found if outcome.until is not None]
    member_of = {segment for segment, outcome in found if outcome.holds}
    return Evaluation(member_of, min(changes, default=None))


def verdicts(
    definitions: Iterable[Definition],
    facts: Callable[[str], Asked],
    granted: Mapping[str, bool],
    now: Instant,
) -> Iterator[tuple[int, Outcome]]:
    """Likewise, segment by segment, by number; without those whose purpose is not allowed."""
    seen: dict[str, Asked | None] = {}  # by purpose; None where they have not allowed it
    for definition in definitions:
        purpose = definition.purpose
        if purpose not in seen:
            seen[purpose] = facts(purpose) if granted.get(purpose, False) else None
        known = seen[purpose]
        if known is not None:
            yield definition.id, evaluate(definition.condition, known, now)


def compute_all(
    computed: Iterable[Computed],
    facts: Callable[[str], Asked],
    granted: Mapping[str, bool],
    now: Instant,
) -> Shown:
    """Computed traits; those whose purpose the person has not allowed are not computed.

    Times are in whole days.
    """
    values: dict[str, Any] = {}
    predicted: dict[str, Any] = {}
    changes: list[Instant] = []
    for trait in computed:
        if not granted.get(trait.purpose, False):
            continue
        known = facts(trait.purpose)
        found = reading(trait.measure, known)
        (value,) = found.values(now)
        turn = next(found.turns(now, ()), None)
        if value is not None and trait.measure.kind in TIMED:
            value, part = divmod(value, DAY)
            turn = now + DAY - part
        if value is not None:
            values[trait.key] = value
        if turn is not None:
            changes.append(turn)
        if value is not None and isinstance(trait.measure, Predicted):
            said = known.prediction(trait.measure.model) or {}
            predicted[trait.key] = {name: said[name] for name in ("model", "version", "at")}
    return Shown(values, min(changes, default=None), predicted)


def _older(profile: Profile, fragment: Fragment) -> None:
    if not has_happened(fragment):
        return  # only a model spoke of it, or all of it was recorded in error
    if not (profile.first_seen or profile.last_seen):
        profile.first_seen, profile.last_seen = fragment.first_seen, fragment.last_seen
    profile.first_seen = min(profile.first_seen, fragment.first_seen)
    profile.last_seen = max(profile.last_seen, fragment.last_seen)


def _earliest(into: dict[str, Instant], values: Mapping[str, Instant]) -> None:
    for value, at in values.items():
        known = into.get(value)
        if known is None or at < known:
            into[value] = at


def _latest(into: dict[str, Register], registers: Mapping[str, Register]) -> None:
    for name, register in registers.items():
        known = into.get(name)
        if known is None or known[:2] < register[:2]:
            into[name] = register


def _add_up(into: dict[str, Tally], name: str, tally: Tally) -> None:
    known = into.get(name)
    if known is None:
        into[name] = Tally(tally.count, tally.first, tally.last)
    else:
        known.count += tally.count
        known.first = min(known.first, tally.first)
        known.last = max(known.last, tally.last)


def _values(registers: Mapping[str, Register]) -> dict[str, Any]:
    """A trait that was last set to null is gone."""
    return {n: registers[n][2] for n in sorted(registers) if registers[n][2] is not None}
