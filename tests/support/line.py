"""A line to the database that can be cut, held up and mended: a fault where faults come from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Line:
    """Forwards TCP connections to the server of a URL while it is not cut."""

    def __init__(self, url: str, host: str = "127.0.0.1") -> None:
        self._target = urlsplit(url)
        self._host = host
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._moving = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """The same database, through this line."""
        user = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{user}@{self._host}:{self.port}"))

    async def mend(self) -> None:
        """Take connections, on the same port as before, and let everything through."""
        self._moving.set()
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._connected, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def hold_up(self) -> None:
        """Connections stay, new ones are taken, and not a byte comes through."""
        self._moving.clear()

    async def cut(self) -> None:
        """Drop every connection, and take no more."""
        if self._server is not None:
            self._server.close()
            for end in self._ends:
                end.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._target.hostname, self._target.port
        far_reader, far_writer = await asyncio.open_connection(host, port)
        ends = {writer, far_writer}
        self._ends |= ends
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        self._ends -= ends

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                await self._moving.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def line_to(url: str, host: str = "127.0.0.1") -> AsyncIterator[Line]:
    """A line that works at first, reached at an address of ours."""
    line = Line(url, host)
    await line.mend()
    try:
        yield line
    finally:
        await line.cut()
