"""When a topic is worth fetching from: once it grew, and once it has rested."""

from __future__ import annotations

from collections.abc import Callable, Iterable

REST_SECONDS = 0.1
_LONGEST_WAIT = 1.0


class Pace:
    """A chunk of ten records costs almost what one of a thousand does, so after one that was not
    full a topic rests for a moment. Nobody waits who comes alone, and a busy worker is not kept
    busy by the number of its transactions. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: set[str] = set()
        self._rested: dict[str, float] = {}

    def grew(self, topics: Iterable[str]) -> None:
        """These may have something to fetch."""
        self._ready.update(topics)

    def due(self, topics: Iterable[str]) -> list[str]:
        """Which of these to fetch from now."""
        now = self._clock()
        return sorted(
            topic
            for topic in self._ready.intersection(topics)
            if now >= self._rested.get(topic, now)
        )

    def took(self, topic: str, *, full: bool) -> None:
        """A chunk was fetched, and there may be more; one that is not full earns a rest."""
        if not full:
            self._rested[topic] = self._clock() + REST_SECONDS

    def drained(self, topic: str) -> None:
        """There was nothing."""
        self._ready.discard(topic)

    def wait(self) -> float:
        """Seconds until the next topic has rested."""
        now = self._clock()
        rests = (self._rested.get(topic, now) - now for topic in self._ready)
        return min((rest for rest in rests if rest > 0), default=_LONGEST_WAIT)
