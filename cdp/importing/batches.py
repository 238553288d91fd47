"""From a file to requests: calls with ids of their own, gathered by hundreds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from cdp.bounded import make_room
from cdp.importing.mapping import Map, Planned, Problem, planned, shifted
from cdp.importing.reading import START, Lines, Mark, Record, records

MAX_CALLS = 500
MAX_BYTES = 512 * 1024  # the collector takes 4,000 KiB
MAX_MEMORY = 200_000  # keys that calls made only once remember; the oldest go first

_encode = msgspec.json.Encoder().encode


class Message(NamedTuple):
    """A call, encoded, and the line it came from."""

    line: int
    body: bytes


@dataclass(slots=True)
class Batch:
    """What goes into one request; with it everything up to `mark` has been sent."""

    mark: Mark
    messages: list[Message] = field(default_factory=list)
    size: int = 0
    lines: int = 0

    @property
    def body(self) -> bytes:
        """The request's body."""
        return b'{"batch":[' + b",".join(message.body for message in self.messages) + b"]}"

    @property
    def full(self) -> bool:
        """Whether it is to go out."""
        return len(self.messages) >= MAX_CALLS or self.size >= MAX_BYTES


@dataclass(slots=True)
class Source:
    """A file under a map, from a mark on; `broken` hears of every row that makes no call."""

    lines: Lines
    map: Map
    broken: Callable[[int, str], None]
    since: Mark = START
    limit: int | None = None  # lines of the whole file, not of this run
    shift: int = 0  # microseconds that every call is moved in time
    _made: dict[tuple[Any, ...], None] = field(default_factory=dict)

    def changed(self) -> bool:
        """Whether the lines up to the mark are others than they were; reads up to there."""
        for _ in self.lines:
            if self.lines.mark.line >= self.since.line:
                break
        return self.lines.mark != self.since

    def batches(self) -> Iterator[Batch]:
        """The requests, made one by one as they are asked for."""
        batch = Batch(self.since)
        for record in self._wanted():
            for message in self._messages(record):
                if batch.full:
                    yield batch
                    batch = Batch(batch.mark)
                batch.messages.append(message)
                batch.size += len(message.body)
            batch.mark = record.mark
            batch.lines += 1
            if batch.lines >= 10 * MAX_CALLS:  # a map may leave most lines out
                yield batch
                batch = Batch(batch.mark)
        yield batch

    def _wanted(self) -> Iterator[Record]:
        for record in records(self.lines, self.map):
            if self.limit is not None and record.line > self.limit:
                return
            if record.mark.line > self.since.line:
                yield record
            elif self.map.has_memory:
                self._remember(record)

    def _remember(self, record: Record) -> None:
        """What was made by a line that is sent already, and is not to be made again."""
        for each in planned(self.map, record.row) if record.row is not None else ():
            if isinstance(each, Planned):
                self._is_again(each)

    def _messages(self, record: Record) -> Iterator[Message]:
        if record.row is None:
            self.broken(record.line, record.problem)
            return
        for each in planned(self.map, record.row):
            if isinstance(each, Problem):
                self.broken(record.line, each.reason)
            elif not self._is_again(each):
                call = shifted(each.fields, self.shift) if self.shift else each.fields
                if self.map.calls or not call.get("messageId"):
                    call["messageId"] = self._message_id(record, each.place)
                yield Message(record.line, _encode(call))

    def _message_id(self, record: Record, place: int) -> str:
        digest = record.mark.digest.hex()
        return f"import-{self.map.name[:24]}-{record.line}.{place}-{digest}"

    def _is_again(self, call: Planned) -> bool:
        if call.once is None:
            return False
        if call.once in self._made:
            return True
        self._made[call.once] = None
        make_room(self._made, MAX_MEMORY)
        return False
