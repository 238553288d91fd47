"""The segment language as frozen values; `parsing` makes them, `evaluating` tells their truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from cdp.events import Instant
from profiles.language.comparing import Test
from profiles.language.counters import Counter
from profiles.language.spans import Span

Which: TypeAlias = Literal["first", "last"]


class Counted(Protocol):
    """How often, and the newest instants in ascending order, as a fragment or profile keeps it."""

    count: int
    newest: list[Instant]


class Tallied(Protocol):
    """How often an event ever happened, and first and last when."""

    count: int
    first: Instant
    last: Instant


class Facts(Protocol):
    """What conditions are evaluated on."""

    def trait(self, name: str) -> Any:
        """The latest value of a trait, by name or by dotted path; None when there is none."""

    def tally(self, event: str) -> Tallied | None:
        """How often an event ever happened; None when it never did."""

    def window(self, counter: Counter) -> Counted | None:
        """The state of a counter that keeps instants; None when nothing ever matched it."""

    def kept(self, counter: Counter) -> Any:
        """The state of any other counter, as `keeping` has it; None when nothing matched."""

    def seen(self, which: Which) -> Instant | None:
        """When they did the first or the last of all they did; None when that is nothing."""

    def allows(self, purpose: str) -> bool:
        """Whether they allow a purpose now."""

    def identifiers(self, namespace: str) -> list[str]:
        """Their identifiers of a namespace."""

    def zone(self) -> str:
        """The name of the time zone they live in, `Europe/Berlin`; empty if it is not known."""

    def prediction(self, model: str) -> Mapping[str, Any] | None:
        """What a model said last: value, version and at; None where nothing that may be seen."""

    def also(self, purpose: str) -> Facts:
        """What another purpose may see of this."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait satisfies every test."""

    name: str
    tests: tuple[Test, ...]
    reads: str = ""  # what it is read as before; see READINGS


@dataclass(frozen=True, slots=True)
class Count:
    """An event was counted so often; `within` is in microseconds, None means ever."""

    event: str
    counter: Counter | None  # None: the plain tally of the event answers it
    tests: tuple[Test, ...]
    within: int | None


@dataclass(frozen=True, slots=True)
class Measure:
    """What events amount to: `sum`, `distinct`, `since_last` and so on, in a span of time."""

    kind: str
    event: str
    counter: Counter | None  # None: the plain tally of the event answers it
    span: Span | None  # None: ever
    same: bool = False  # of those with the same value of the counter's property


class Step(NamedTuple):
    """An event of a sequence, so long after the one before it, without others in between."""

    counter: Counter
    after: int  # microseconds at least, of its instant from the one before
    within: int | None  # microseconds at most; None: any time
    without: tuple[Counter, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """One event after the other; `lacking` is what must not come for `wait` after the last."""

    steps: tuple[Step, ...]
    lacking: Counter | None
    wait: int
    same: str  # the property that all have the same value of; or empty
    span: Span | None
    kind: str = "sequence"


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of them."""

    model: str
    kind: str = "predicted"


Value: TypeAlias = Measure | Sequence | Predicted  # what a computed trait may be


@dataclass(frozen=True, slots=True)
class Measured:
    """What events amount to satisfies every test; None: of a trait that is not there yet."""

    measure: Value | None
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """They did their first or last thing within so many microseconds."""

    which: Which
    within: int


@dataclass(frozen=True, slots=True)
class Allows:
    """They allow a purpose."""

    purpose: str


@dataclass(frozen=True, slots=True)
class Identified:
    """They have an identifier of this namespace that satisfies every test."""

    namespace: str
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Inside:
    """They are in another segment; no condition: in one that is not there yet."""

    segment: str
    purpose: str
    condition: Condition | None


Condition: TypeAlias = (
    AllOf | AnyOf | Not | Trait | Count | Measured | Seen | Allows | Identified | Inside
)


def counters(condition: Condition) -> Iterator[Counter]:
    """Everything a condition needs kept, but for what the segments it refers to need."""
    for each in leaves(condition):
        if isinstance(each, Count) and each.counter is not None:
            yield each.counter
        elif isinstance(each, Measured):
            yield from asked(each.measure)


def asked(measure: Value | None) -> Iterator[Counter]:
    """Everything a measure needs kept."""
    match measure:
        case Measure(counter=Counter() as counter):
            yield counter
        case Sequence(steps, lacking):
            for step in steps:
                yield step.counter
                yield from step.without
            if lacking is not None:
                yield lacking


def purposes(condition: Condition) -> Iterator[str]:
    """Every purpose that a condition asks for."""
    return (each.purpose for each in leaves(condition) if isinstance(each, Allows))


def leaves(condition: Condition) -> Iterator[Condition]:
    """What a condition is made of, without what combines it."""
    match condition:
        case AllOf(of) | AnyOf(of):
            for each in of:
                yield from leaves(each)
        case Not(inner):
            yield from leaves(inner)
        case _:
            yield condition


def inlined(condition: Condition) -> Iterator[Condition]:
    """Likewise, with what the segments that it refers to are made of."""
    for each in leaves(condition):
        if isinstance(each, Inside) and each.condition is not None:
            yield from inlined(each.condition)
        else:
            yield each
