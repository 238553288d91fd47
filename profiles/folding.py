"""A chunk's events on their way into fragments, which are locked until they are sealed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from cdp.events import Event, Identifier, SubjectId
from profiles import fragment
from profiles.fragment import Counting, Fragment
from profiles.language.aspects import Aspect


class Folding:
    """`homes` are the log partitions of the chunk's subjects, `kept` the counters in each."""

    def __init__(
        self,
        opened: dict[SubjectId, Fragment],
        homes: Mapping[SubjectId, int],
        kept: Mapping[int, Counting],
    ) -> None:
        self._fragments = opened
        self.homes = homes
        self._kept = kept
        self._changed: dict[SubjectId, set[Aspect]] = {}
        self.corrected: set[SubjectId] = set()  # of whom an event was said to be recorded in error

    def add(
        self,
        subject: SubjectId,
        event: Event,
        named: Iterable[Identifier],
        denied: Sequence[str] = (),
    ) -> None:
        """Fold one event; `denied` are the signals that it denies by itself, in order."""
        kept = self._kept[self.homes[subject]]
        changed = fragment.fold(self._of(subject), event, named, kept, denied)
        self._changed.setdefault(subject, set()).update(changed)

    def changed(self, subject: SubjectId) -> Set[Aspect]:
        """What may be other of somebody than it was before; nothing: anything may."""
        return frozenset() if subject in self.corrected else self._changed.get(subject, frozenset())

    def correct(self, subject: SubjectId, event_id: bytes) -> None:
        """This event was recorded in error: what was folded of it has to be taken out."""
        self._of(subject).corrected.add(event_id)
        self.corrected.add(subject)

    def start_over(self, subject: SubjectId) -> Fragment:
        """In place of the fragment here one that knows only what was recorded in error."""
        fresh = fragment.empty()
        fresh.corrected = self._of(subject).corrected
        self._fragments[subject] = fresh
        return fresh

    def _of(self, subject: SubjectId) -> Fragment:
        folded = self._fragments.get(subject)
        if folded is None:
            folded = self._fragments[subject] = fragment.empty()
        return folded

    def done(self) -> Mapping[SubjectId, Fragment]:
        """The fragments, without counters that nobody asks for any more."""
        for subject, each in self._fragments.items():
            fragment.keep_only(each, self._kept[self.homes[subject]])
        return self._fragments
