"""A lean HTTP client for load: keep-alive connections, prepared requests, latencies by request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast


@dataclass(slots=True)
class Outcome:
    """What a run of requests came to."""

    started: float = 0.0  # by `time.perf_counter`: when the first was due
    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    def quantile(self, q: float) -> float:
        """Seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def request(path: str, body: bytes, *, host: str, key: str) -> bytes:
    """One POST, ready to be written to a socket."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nX-Write-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered, and due."""

    def __init__(self, requests: Iterator[tuple[float, bytes]], outcome: Outcome) -> None:
        self._requests = requests
        self._outcome = outcome
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._begun = 0.0
        self.done: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        due, payload = next(self._requests, (0.0, b""))
        now = time.perf_counter()
        self._begun = due or now
        if not payload:
            self.done.set_result(None)
            assert self._transport is not None
            self._transport.close()
        elif due > now:
            self._loop.call_later(due - now, self._send, payload)
        else:
            self._send(payload)

    def _send(self, payload: bytes) -> None:
        assert self._transport is not None
        self._transport.write(payload)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, separator, body = self._data.partition(b"\r\n\r\n")
        if separator and len(body) >= _length(head):
            status = int(head[9:12])
            self._data = b""
            self._outcome.statuses[status] = self._outcome.statuses.get(status, 0) + 1
            self._outcome.latencies.append(time.perf_counter() - self._begun)
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))


def _length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.index(b"content-length:") + 15
    return int(lowered[start:].partition(b"\r\n")[0])


async def fire(
    host: str, port: int, requests: Iterator[bytes], *, connections: int, rate: float = 0.0
) -> Outcome:
    """Send every request; `rate` per second spaces them, whether answers come or not."""
    started = time.perf_counter()
    outcome = Outcome(started)
    if rate:
        timed = ((started + number / rate, each) for number, each in enumerate(requests))
    else:
        timed = ((0.0, each) for each in requests)
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Connection(timed, outcome), host, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in opened))
    outcome.seconds = time.perf_counter() - started
    return outcome
