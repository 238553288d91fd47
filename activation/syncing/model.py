"""What a destination is to be told so that it knows who is in a segment, and who is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from activation.model import Delivery, Destination, Kind, State, delivery_id, needed
from cdp.events import Instant, ProfileId

FIRST_LOAD, ASKED = "first load", "asked"
ERASED = "erased"  # the cause of an exit that is told as an erasure, if at all
SYNC = "sync"  # the cause of what is told where nobody knows of a change
_FAILED = frozenset({"parked", "refused"})
# waiting: nobody has begun. members: who is in. moved: who came to be in under another profile id
# meanwhile. told: who was told of and is not in. Then with the next segment, or done.
# ended: the destination is not there any more, or is not enabled.
RunState: TypeAlias = Literal["waiting", "members", "moved", "told", "done", "ended"]


class Run(NamedTuple):
    """One run: a destination, the segments in their order, and how far it is."""

    number: int
    destination: str
    reason: str
    whole: bool  # everybody is told again
    segments: tuple[str, ...]
    state: RunState
    place: int  # of the segment that it is at
    position: bytes  # of the last that was looked at in this state
    looked_at: int
    members: int  # of all the segments, when it began
    entered: int
    gone: int
    began: Instant

    @property
    def segment(self) -> str:
        """The one that it is at."""
        return self.segments[self.place]

    def further(self, state: RunState, position: bytes = b"") -> Run:
        """At the beginning of a state."""
        return self._replace(state=state, position=position)

    def next(self) -> Run:
        """With the next segment, or done."""
        if self.place + 1 == len(self.segments):
            return self.further("done")
        return self._replace(place=self.place + 1, state="members", position=b"")


class Told(NamedTuple):
    """The last that a destination was told, or is to be told, of somebody and a segment."""

    id: bytes
    profile: ProfileId
    kind: Kind
    state: State
    at: Instant


class Way(NamedTuple):
    """How somebody came in last, or left, as the ledger of changes has it."""

    offset: int
    profile: ProfileId
    at: Instant
    cause: str


class Somebody(NamedTuple):
    """Somebody, by the profile id of now; `since` when they are in the segment, None: they are not.

    `way` is their last entry if they are in, else their last exit.
    """

    profile: ProfileId
    since: Instant | None
    last: Told | None
    way: Way | None


class Wanted(NamedTuple):
    """What is to be requested, and which deliveries are to be taken up again."""

    new: list[Delivery]
    again: list[bytes]


def subscribed(destination: Destination, segments: Iterable[str]) -> set[str]:
    """The segments of which it hears, among these that there are."""
    if not destination.enabled:
        return set()
    return {key for key in segments if not destination.segments or key in destination.segments}


def wanted(
    run: Run, destination: Destination, purpose: str, people: Iterable[Somebody], now: Instant
) -> Wanted:
    """What these people take; `purpose` is the segment's. What is on its way is left alone."""
    found = Wanted([], [])
    for each in people:
        if each.since is None:
            _exit(run, each, now, found)
        else:
            allowed = needed(destination.purpose or purpose, destination)
            _entry(run, each, each.since, allowed, found)
    return found


def _entry(run: Run, who: Somebody, since: Instant, purpose: str, found: Wanted) -> None:
    last, way = who.last, who.way
    least = max(since, last.at if last else since)
    if run.whole:
        found.new.append(_delivery(run, who, "entered", least, purpose))
    elif last is None or last.kind == "left":
        if way is not None and (last is None or way.at >= last.at):
            found.new.append(_natural(run, who, way, "entered", purpose))
        else:
            found.new.append(_delivery(run, who, "entered", least, purpose))
    elif last.state in _FAILED:
        found.again.append(last.id)


def _exit(run: Run, who: Somebody, now: Instant, found: Wanted) -> None:
    last, way = who.last, who.way
    if last is None or (way is not None and way.cause == ERASED):
        return
    if last.kind == "left":
        if last.state == "parked":
            found.again.append(last.id)
    elif last.state != "refused":  # what was given up may have arrived
        if way is not None and way.at >= last.at:
            found.new.append(_natural(run, who, way, "left", "necessary"))
        else:
            found.new.append(_delivery(run, who, "left", max(now, last.at), "necessary"))


def _natural(run: Run, who: Somebody, way: Way, kind: Kind, purpose: str) -> Delivery:
    """The delivery that would have been requested when it happened, with the same id."""
    name = delivery_id(run.destination, way.offset)
    made = Delivery(name, run.destination, who.profile, run.segment, kind, way.at, purpose)
    return made._replace(cause=way.cause)


def _delivery(run: Run, who: Somebody, kind: Kind, at: Instant, purpose: str) -> Delivery:
    """One that is this run's own; a former profile id in the same run comes to the same."""
    name = delivery_id(run.destination, f"{SYNC}/{run.number}/{run.segment}/{who.profile.hex()}")
    made = Delivery(name, run.destination, who.profile, run.segment, kind, at, purpose)
    return made._replace(cause=SYNC)
