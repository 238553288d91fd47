"""A client that costs next to nothing: one connection, prepared bytes out, a status back."""

from __future__ import annotations

import asyncio
from typing import NamedTuple


class Answer(NamedTuple):
    """What came back."""

    status: int
    retry_after: bool


class Connection:
    """Speaks HTTP/1.1 to one address, and connects again when it is hung up on."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send, and read the answer to its end; status 0 when the connection broke."""
        try:
            if self._reader is None or self._writer is None:
                self._reader, self._writer = await asyncio.open_connection(*self._address)
            self._writer.write(request)
            head = await self._reader.readuntil(b"\r\n\r\n")
            lowered = head.lower()
            length = lowered.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await self._reader.readexactly(int(length or 0))
            return Answer(int(head[9:12]), b"\r\nretry-after:" in lowered)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return Answer(0, False)

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
