"""What was known of people as of earlier instants, and what came of them: examples to learn from.

By event time: what had happened by an instant counts as known then. Events are folded once, in any
order, each into the piece of time that it lies in; somebody as of an instant is the join of the
pieces before it, and what came of them the join of those within the horizon after it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from cdp.events import Event, Identifier, Instant, SubjectId
from profiles.facts import Facts, Sight, Somebody
from profiles.fragment import Fragment, counting, empty, fold
from profiles.language.counters import Counter
from profiles.learning.features import Observation

MOST_INSTANTS = 6  # that people are looked at as of
LAPSE = "lapse"  # the goal of doing nothing
RECENCY = "recency"  # the feature that tells who has lapsed already

Signals: TypeAlias = Mapping[str, frozenset[str]]


class Goal(NamedTuple):
    """What somebody may do within the horizon; without an event it is to do nothing at all."""

    event: str = ""
    counter: Counter | None = None  # None: any such event counts

    def reached(self, after: Facts) -> bool:
        """Whether what they did after an instant is it."""
        if not self.event:
            return after.seen("last") is None
        if self.counter is None:
            return after.tally(self.event) is not None
        return after.window(self.counter) is not None

    def concerns(self, before: Facts, at: Instant, horizon: int) -> bool:
        """Whether it is asked of them: only who did something of late can lapse."""
        last = before.seen("last")
        return last is not None and (bool(self.event) or last > at - horizon)


class Question(NamedTuple):
    """What is to be learned: of features as of some instants, whether the goal comes within."""

    goal: Goal
    horizon: int  # microseconds
    purpose: str
    counters: Sequence[Counter]  # that the features ask for
    read: Callable[[Facts, Instant], Observation]  # the features of somebody as of an instant


class Example(NamedTuple):
    """What was known of somebody as of an instant, and whether the goal came within the horizon."""

    known: Observation
    came: bool
    at: Instant


def instants(now: Instant, horizon: int) -> list[Instant]:
    """As of which people are looked at, in order: a horizon apart, the last one a horizon ago."""
    return [now - number * horizon for number in range(MOST_INSTANTS, 0, -1)]


class Hindsight:
    """Events of a sample of people on their way to examples."""

    def __init__(self, question: Question, at: Sequence[Instant]) -> None:
        self._question = question
        self._at = at
        self._edges = sorted({each for one in at for each in (one, one + question.horizon)})
        goal = question.goal.counter
        needed = dict.fromkeys([*question.counters, *([goal] if goal else [])])
        self._kept = counting(enumerate(needed))
        self._numbers = {counter.key: str(number) for number, counter in enumerate(needed)}
        self._pieces: dict[SubjectId, dict[int, Fragment]] = {}

    def add(
        self,
        subject: SubjectId,
        event: Event,
        named: Iterable[Identifier],
        denied: Sequence[str] = (),
    ) -> None:
        """Fold one event; `denied` are the signals that it denies by itself, in order."""
        number = bisect_left(self._edges, event.at)
        if number == len(self._edges):
            return  # nobody asks what came after the last horizon
        pieces = self._pieces.setdefault(subject, {})
        if number not in pieces:
            pieces[number] = empty()
        fold(pieces[number], event, named, self._kept, denied)

    def examples(
        self, nodes: Sequence[SubjectId], who: Somebody, signals: Signals
    ) -> Iterator[Example]:
        """Of somebody, as of each instant by which there was something of them; once.

        What they did is let go with that.
        """
        goal, horizon, purpose = self._question[:3]
        mine = [piece for node in nodes for piece in self._pieces.pop(node, {}).items()]
        for at in self._at:
            known, done = self._number(at), self._number(at + horizon)
            past = [each for number, each in mine if number <= known]
            before = Sight(past, self._numbers, signals, who)(purpose)
            if not goal.concerns(before, at, horizon):
                continue
            came = [each for number, each in mine if known < number <= done]
            after = Sight(came, self._numbers, signals, who)(purpose)
            yield Example(self._question.read(before, at), goal.reached(after), at)

    def _number(self, edge: Instant) -> int:
        return bisect_left(self._edges, edge)
