"""A chunk's events on their way into fragments, which are locked until they are sealed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cdp.events import Event, Identifier, SubjectId
from profiles import fragment
from profiles.fragment import Counting, Fragment


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
        fragment.fold(folded, event, named, self._kept[self._homes[subject]], denied)

    def done(self) -> Mapping[SubjectId, Fragment]:
        """The fragments, without counters that nobody asks for any more."""
        for subject, each in self._fragments.items():
            fragment.keep_only(each, self._kept[self._homes[subject]])
        return self._fragments
