"""TLS in front of the test run's PostgreSQL, whose build has none: as a pooler does it.

It answers PostgreSQL's SSLRequest, ends TLS, and passes everything on to the real server.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_SSL_REQUEST = (8).to_bytes(4) + (80_877_103).to_bytes(4)


@dataclass
class Front:
    """`sessions` says of each connection that was let in whether it is encrypted."""

    port: int
    sessions: list[bool] = field(default_factory=list)


@asynccontextmanager
async def fronted(host: str, port: int, context: ssl.SSLContext) -> AsyncIterator[Front]:
    """A server on 127.0.0.1, for as long as it is needed."""
    front = Front(0)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(8)
        encrypted = first == _SSL_REQUEST
        try:
            if encrypted:
                writer.write(b"S")
                await writer.start_tls(context)
                first = await reader.readexactly(8)
            front.sessions.append(encrypted)
            theirs, ours = await asyncio.open_connection(host, port)
            ours.write(first)
            await asyncio.gather(_passed(reader, ours), _passed(theirs, writer))
        except (ssl.SSLError, asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    front.port = server.sockets[0].getsockname()[1]
    async with server:
        yield front


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
