"""A lean HTTP client for load: keep-alive connections, prepared requests, latencies by request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What a run of requests came to."""

    seconds: float = 0.0
    answered: int = 0
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


async def fire(
    host: str,
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float = float("inf"),
    rate: float = 0.0,
) -> Outcome:
    """Send requests until they or the time run out; `rate` per second spaces them (open loop)."""
    outcome = Outcome()
    started = time.perf_counter()
    sent = 0

    async def connection() -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection(host, port)
        try:
            for payload in requests:
                now = time.perf_counter()
                if now - started >= seconds:
                    return
                if rate:
                    due = started + sent / rate
                    sent += 1
                    if due > now:
                        await asyncio.sleep(due - now)
                    begun = due
                else:
                    begun = now
                writer.write(payload)
                status = await _answer(reader)
                outcome.latencies.append(time.perf_counter() - begun)
                outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
                outcome.answered += 1
        finally:
            writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    outcome.seconds = time.perf_counter() - started
    return outcome


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            await reader.readexactly(int(line[15:]))
            break
    return status
