"""Connections to one SMTP server, kept open, and made only to addresses that may be reached."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from activation.addresses import is_forbidden

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_KEPT_SECONDS = 20.0  # servers let go of idle connections after a minute or more
_ENHANCED = re.compile(r"^[245]\.\d{1,3}\.\d{1,3}\b")


class ForbiddenAddress(OSError):
    """The server is at an address that destinations may not reach."""


class Server(NamedTuple):
    """Where, and as whom."""

    host: str
    port: int
    security: str  # tls, starttls or none
    username: str
    password: str
    hello: str  # what we are called
    private: bool  # whether it may be in a private network


class Letter(NamedTuple):
    """What is handed over."""

    sender: str
    to: str
    message: bytes


class Pool:
    """At most so many connections at once."""

    def __init__(self, server: Server, most: int) -> None:
        self._server = server
        self._room = asyncio.Semaphore(most)
        self._idle: list[tuple[SMTP, float]] = []

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Wait for one."""
        async with self._room:
            yield

    async def taken(self) -> SMTP:
        """A connection, open and greeted; in `room`."""
        while self._idle:
            client, since = self._idle.pop()
            if client.is_connected and time.monotonic() - since < _KEPT_SECONDS:
                return client
            client.close()
        return await self._connected()

    def back(self, client: SMTP) -> None:
        """It can be used again."""
        self._idle.append((client, time.monotonic()))

    async def close(self) -> None:
        """Say goodbye where nothing is under way."""
        import aiosmtplib

        idle, self._idle = self._idle, []
        for client, _ in idle:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=1.0)
            client.close()

    async def _connected(self) -> SMTP:
        import aiosmtplib

        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            sock=await _opened(server),
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            username=server.username or None,
            password=server.password or None,
            local_hostname=server.hello,
            timeout=None,  # the connector's holds
        )
        await client.connect()
        return client


async def _opened(server: Server) -> socket.socket:
    """A socket to the first address that answers; none if any of them may not be reached."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    if any(is_forbidden(str(each[4][0]), private=server.private) for each in found):
        raise ForbiddenAddress
    failed: OSError = ConnectionRefusedError()
    for family, kind, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            failed = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failed


async def hand_over(client: SMTP, letter: Letter) -> None:
    """One message; SMTPResponseException says who refused it."""
    await client.mail(letter.sender)
    await client.rcpt(letter.to)
    await client.data(letter.message)


def told(code: int, message: str) -> str:
    """What a server said, without its words: they name the address."""
    found = _ENHANCED.match(message)
    return f"SMTP {code} {found.group()}" if found else f"SMTP {code}"
