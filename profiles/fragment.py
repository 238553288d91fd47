"""A subject's fragment: a value of mergeable parts only, so that the order of events is no matter.

Traits are last-writer-wins by event time (ties go to the larger event id), counts add up, first
and last seen are minimum and maximum, windows keep the newest k instants, of places and devices the
newest are kept, and of what other counters match what `keeping` says. What came of events that deny
something by themselves lies apart, by what they deny: a purpose that they deny does not see it,
whatever the person says later. Of an event that was recorded in error only the identifiers count.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from cdp.events import Event, Identifier, Instant, SubjectId, event_name
from profiles import sightings
from profiles.language import keeping, spans
from profiles.language.aspects import Aspect
from profiles.language.counters import Counter, matches

# (at, event id, value)
Register: TypeAlias = tuple[Instant, bytes, Any]


class Tally(msgspec.Struct, array_like=True, gc=False):
    """How often, and first and last when."""

    count: int
    first: Instant
    last: Instant


class Window(msgspec.Struct, array_like=True, gc=False):
    """A counter's state: how many ever matched, and the newest instants, oldest of them first."""

    count: int
    newest: list[Instant]


class Stamped(msgspec.Struct, array_like=True):
    """What events amount to that deny the same signals."""

    identifiers: dict[str, dict[str, Instant]] = {}
    traits: dict[str, Register] = {}
    events: dict[str, Tally] = {}
    windows: dict[str, Window] = {}
    places: list[str] = []
    devices: dict[str, Instant] = {}
    kept: dict[str, keeping.State] = {}
    zones: dict[str, Register] = {}
    hours: dict[str, int] = {}


class Fragment(msgspec.Struct, array_like=True):
    """Everything one subject's events amount to.

    `stamped` has what came of events that deny signals, under these, in order, with spaces between;
    read a fragment by `parts`, lest that be forgotten. Groups and times are of all events.
    """

    identifiers: dict[str, dict[str, Instant]] = {}
    traits: dict[str, Register] = {}
    groups: dict[str, dict[str, Register]] = {}
    events: dict[str, Tally] = {}
    windows: dict[str, Window] = {}
    first_seen: Instant = 0
    last_seen: Instant = 0
    places: list[str] = []
    devices: dict[str, Instant] = {}
    stamped: dict[str, Stamped] = {}
    kept: dict[str, keeping.State] = {}
    zones: dict[str, Register] = {}  # the time zone that their devices told last, under ZONE
    hours: dict[str, int] = {}  # how often they did something in each hour of the week, in UTC
    predictions: dict[str, Register] = {}  # what models say of them, by the models' numbers
    corrected: set[bytes] = set()  # ids of events that were recorded in error


Part: TypeAlias = Fragment | Stamped


class Counting(NamedTuple):
    """The counters that are kept somewhere: by the event they count, and the numbers of all."""

    by_event: Mapping[str, Sequence[tuple[str, Counter]]]
    numbers: frozenset[str]


def counting(kept: Iterable[tuple[int, Counter]]) -> Counting:
    """Numbered counters in the form that folding asks for."""
    by_event: dict[str, list[tuple[str, Counter]]] = {}
    for number, counter in kept:
        by_event.setdefault(counter.event, []).append((str(number), counter))
    return Counting(by_event, frozenset(n for each in by_event.values() for n, _ in each))


_HOURS = tuple(map(str, range(168)))  # keys of maps are texts
PREDICT = "predict"  # the type of facts that say what a model makes of somebody
ZONE = "timezone"  # where SDKs put its name in the context
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Fragment)


_NOTHING = _encoder.encode(Fragment())


def encode(fragment: Fragment) -> bytes:
    """The stored form; equal fragments give equal bytes."""
    return _encoder.encode(fragment)


def decode(stored: bytes) -> Fragment:
    """Read the stored form."""
    return _decoder.decode(stored)


def sealed_as(subject: SubjectId) -> bytes:
    """What a stored fragment is bound to when it is sealed."""
    return b"fragment" + subject


def empty() -> Fragment:
    """Nothing yet."""
    return decode(_NOTHING)


def has_happened(fragment: Fragment) -> bool:
    """Whether there is anything in it but events that were recorded in error."""
    return (fragment.first_seen, fragment.last_seen) != (0, 0)


def parts(fragment: Fragment, without: frozenset[str] = frozenset()) -> Iterator[Part]:
    """The parts of a fragment that a purpose may see which these signals mean; without any, all."""
    yield fragment
    for denied, part in fragment.stamped.items():
        if not without or without.isdisjoint(denied.split(" ")):
            yield part


def fold(
    fragment: Fragment,
    event: Event,
    named: Iterable[Identifier],
    kept: Counting,
    denied: Sequence[str] = (),
) -> list[Aspect]:
    """Add one event, in place. Folding the same events in any order gives the same fragment.

    `denied` are the signals that it denies by itself, in order. One that was recorded in error, as
    the fragment knows, still says what its person is called: the links that it made hold. Returns
    what may be other than it was.
    """
    at = event.at
    if event.type == PREDICT:
        return _predicted(fragment, event, at)
    changed: list[Aspect] = []
    part = _part(fragment, denied)
    for namespace, value in named:
        known = part.identifiers.setdefault(namespace, {})
        if value not in known:
            changed.append(("identifier", namespace))
        known[value] = min(known.get(value, at), at)
    if event.id in fragment.corrected:
        return changed
    seen = fragment.first_seen, fragment.last_seen
    fragment.first_seen = min(seen[0], at) if seen != (0, 0) else at
    fragment.last_seen = max(seen[1], at)
    changed += _sighted(part, event, at)
    if event.type == "identify":
        for told in (event.context.get("traits"), event.traits):
            changed += (("trait", name) for name in _set(part.traits, told, at, event.id))
    elif event.type == "group" and event.group_id:
        _set(fragment.groups.setdefault(event.group_id, {}), event.traits, at, event.id)
    name = event_name(event)
    if name:
        changed += _tally(part.events, name, at)
        hour = _HOURS[spans.utc_hour(at)]
        part.hours[hour] = part.hours.get(hour, 0) + 1
        if name in kept.by_event:
            count(fragment, event, kept, denied)
    return changed


def _predicted(fragment: Fragment, event: Event, at: Instant) -> list[Aspect]:
    said = event.properties | {"at": at}
    _set(fragment.predictions, {str(said["number"]): said}, at, event.id)
    return [("prediction", said["model"])]


def _sighted(part: Part, event: Event, at: Instant) -> list[Aspect]:
    """Where and on what they were."""
    sightings.add_place(part.places, sightings.place(event))
    sightings.add_device(part.devices, sightings.device(event.context), at)
    zone = event.context.get(ZONE)
    if zone:
        known = part.zones.get(ZONE)
        if (known is None or known[:2] < (at, event.id)) and spans.is_zone(zone):
            part.zones[ZONE] = (at, event.id, zone)
            return [("zone", "")]
    return []


def count(fragment: Fragment, event: Event, kept: Counting, denied: Sequence[str] = ()) -> None:
    """Add one event to the counters it matches, unless it was recorded in error."""
    if event.id in fragment.corrected:
        return
    part = _part(fragment, denied)
    for number, counter in kept.by_event.get(event_name(event), ()):
        if not matches(counter.filters, event.properties):
            continue
        if counter.keep == "instants":
            window = part.windows.setdefault(number, Window(0, []))
            window.count += 1
            insort(window.newest, event.at)
            del window.newest[: -counter.newest]
            continue
        matched = keeping.Matched(event.at, keeping.mark(event.id), event.properties)
        state = keeping.add(counter, part.kept.get(number), matched)
        if state is not None:
            part.kept[number] = state


def keep_only(fragment: Fragment, kept: Counting) -> None:
    """Drop counters that nobody asks for any more."""
    for part in parts(fragment):
        for number in part.windows.keys() - kept.numbers:
            del part.windows[number]
        for number in part.kept.keys() - kept.numbers:
            del part.kept[number]


def _part(fragment: Fragment, denied: Sequence[str]) -> Part:
    if not denied:
        return fragment
    name = " ".join(denied)
    part = fragment.stamped.get(name)
    if part is None:
        part = fragment.stamped[name] = Stamped()
    return part


def _set(registers: dict[str, Register], values: object, at: Instant, event: bytes) -> list[str]:
    """Set what is newer; returns the names of it."""
    if not isinstance(values, dict):
        return []
    newer = []
    for name, value in values.items():
        known = registers.get(name)
        if known is None or known[:2] < (at, event) or known[:2] == (at, event):
            registers[name] = (at, event, value)
            newer.append(name)
    return newer


def _tally(tallies: dict[str, Tally], name: str, at: Instant) -> Iterator[Aspect]:
    yield "event", name
    tally = tallies.get(name)
    if tally is None:
        tallies[name] = Tally(1, at, at)
    else:
        tally.count += 1
        tally.last = max(tally.last, at)
        if tally.first <= at:
            return
        tally.first = at
    yield "first", ""
