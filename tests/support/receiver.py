"""A webhook receiver on loopback that notes what it gets and answers as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Answer = tuple[int, dict[str, str]]


@dataclass
class Request:
    """One POST."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answer` says for each request what to reply: a status and headers; None hangs up."""

    url: str
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Answer | None] = lambda request: (200, {})
    delay: float = 0.0

    async def until(self, count: int, seconds: float = 10.0) -> None:
        """Wait for so many requests."""
        async with asyncio.timeout(seconds):
            while len(self.requests) < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A running receiver."""
    receiver, opened = Receiver(""), set[asyncio.StreamWriter]()
    ended = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                receiver.requests.append(request)
                if receiver.delay:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(ended.wait(), receiver.delay)
                if ended.is_set():
                    return
                answer = receiver.answer(request)
                if answer is None:
                    return
                writer.write(_reply(*answer))
                await writer.drain()
        finally:
            opened.discard(writer)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    receiver.url = f"http://{host}:{port}/hook"
    yield receiver
    ended.set()  # whom it let wait is not answered any more
    server.close()
    for each in opened:  # clients keep their connections
        each.close()
    await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (h.partition(":") for h in head[1:])
        }
        return Request(headers, await reader.readexactly(int(headers.get("content-length", 0))))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _reply(status: int, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: 0\r\n\r\n".encode()
