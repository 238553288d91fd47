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
        self._homes = homes
        self._kept = kept
        self._changed: dict[SubjectId, set[Aspect]] = {}

    def add(
        self,
        subject: SubjectId,
        event: Event,
        named: Iterable[Identifier],
        denied: Sequence[str] = (),
    ) -> None:
        """Fold one event; `denied` are the signals that it denies by itself, in order."""
        folded = self._fragments.get(subject)
        if folded is None:
            folded = self._fragments[subject] = fragment.empty()
        kept = self._kept[self._homes[subject]]
        changed = fragment.fold(folded, event, named, kept, denied)
        self._changed.setdefault(subject, set()).update(changed)

    def changed(self, subject: SubjectId) -> Set[Aspect]:
        """What may be other of somebody than it was before."""
        return self._changed.get(subject, frozenset())

    def done(self) -> Mapping[SubjectId, Fragment]:
        """The fragments, without counters that nobody asks for any more."""
        for subject, each in self._fragments.items():
            fragment.keep_only(each, self._kept[self._homes[subject]])
        return self._fragments
