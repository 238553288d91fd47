"""When a topic is worth fetching from: once it grew, and once it has rested."""

from __future__ import annotations

from collections.abc import Callable, Iterable

REST_SECONDS = 0.1  # at most
_SHARE = 2  # times as long as the chunk took
_LONGEST_WAIT = 1.0


class Pace:
    """A chunk of ten records costs almost what one of a thousand does, so after one that was not
    full a topic rests, for a moment or twice as long as that took. Nobody waits who comes alone,
    and a busy worker is not kept busy by the number of its transactions: the busier the machine,
    the longer chunks take. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: set[str] = set()
        self._begun: dict[str, float] = {}
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
        self._begun[topic] = now = self._clock()
        if not full:
            self._rested[topic] = now + REST_SECONDS

    def handled(self, topic: str) -> None:
        """The last chunk that was fetched is through."""
        now = self._clock()
        rested = now + _SHARE * (now - self._begun.get(topic, now))
        self._rested[topic] = min(rested, self._rested.get(topic, now))

    def drained(self, topic: str) -> None:
        """There was nothing."""
        self._ready.discard(topic)

    def wait(self) -> float:
        """Seconds until the next topic has rested."""
        now = self._clock()
        rests = (self._rested.get(topic, now) - now for topic in self._ready)
        return min((rest for rest in rests if rest > 0), default=_LONGEST_WAIT)
