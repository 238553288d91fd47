"""Lets requests in while there is room: what cannot be kept is refused before it is read.

Who has been let in is not refused later for what others brought meanwhile: work that is thrown
away is what makes a loaded collector collapse. So a request counts from its head on, by the events
that a body of its length holds as a rule, until its events wait for their commit and count
themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from cdp.errors import Overloaded

_ROOM = "cdp.room"
_EVENT_BYTES = 500.0  # of an event, until some have come
_MEMORY = 0.99  # how much of that is kept at each request


class Admission:
    """Counts the bytes of the bodies in work, and the events on their way to the log.

    `must_admit` is asked with the number of events on their way, and raises Overloaded when whoever
    comes now would have to wait too long. Of bodies `most` bytes may be in work at once.
    """

    def __init__(self, must_admit: Callable[[int], None], most: int) -> None:
        self._must_admit = must_admit
        self._most = most
        self._event_bytes = _EVENT_BYTES
        self.taken = 0
        self.entering = 0

    def enter(self, scope: Any, length: int) -> None:
        """Let a request in by its head; `length` is its body's, 0 if that is not told."""
        self._must_admit(self.entering)
        scope[_ROOM] = Room(self, int(length / self._event_bytes))

    def room(self, scope: Any) -> Room:
        """Room for a request, its own if it has been let in; Overloaded when there is none."""
        if _ROOM not in scope:
            self.enter(scope, 0)
        room: Room = scope.pop(_ROOM)
        return room

    def take(self, size: int) -> None:
        """Take so many bytes; Overloaded when they are not to be had."""
        if self.taken and self.taken + size > self._most:
            raise Overloaded("too many bodies are in work; send again later")
        self.taken += size

    def learn(self, size: int, events: int) -> None:
        """So many bytes were so many events."""
        self._event_bytes = self._event_bytes * _MEMORY + size / events * (1 - _MEMORY)


class Room:
    """What one request has taken, from its head to its answer. Leaving it gives it back."""

    __slots__ = ("_admission", "_expected", "_size")

    def __init__(self, admission: Admission, expected: int) -> None:
        self._admission = admission
        self._size = 0
        self._expected = expected
        admission.entering += expected

    def grow(self, size: int) -> None:
        """Take more bytes."""
        self._admission.take(size)
        self._size += size

    def counted(self, events: int) -> None:
        """From here on its events count themselves."""
        self._admission.entering -= self._expected
        self._expected = 0
        if events:
            self._admission.learn(self._size, events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.counted(0)
        self._admission.taken -= self._size
