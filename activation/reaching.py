"""How webhooks are reached: over connections that go only where they may.

What a name stands for is looked up and checked at every connection, and the connection goes to the
address that was checked: a name that changes its answer in between gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from activation.addresses import is_forbidden


class ForbiddenAddress(httpx.ConnectError):
    """The destination is at an address that webhooks may not reach."""


class Checked(httpcore.AsyncNetworkBackend):
    """Opens connections, to addresses that may be reached."""

    def __init__(self, *, private: bool) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._private = private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """One that answers; ForbiddenAddress if any that the name has may not be reached."""
        addresses = await allowed(host, port, private=self._private)
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def sleep(self, seconds: float) -> None:
        """Between tries."""
        await self._inner.sleep(seconds)


async def allowed(host: str, port: int, *, private: bool) -> list[str]:
    """Addresses of a host; ForbiddenAddress if any of them may not be reached."""
    addresses = await _looked_up(host, port)
    for address in addresses:
        if is_forbidden(address, private=private):
            raise ForbiddenAddress(f"{host} is at an address that webhooks may not reach")
    return addresses


async def _looked_up(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"{host} cannot be looked up") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Transport(httpx.AsyncHTTPTransport):
    """HTTP, over connections to addresses that may be reached; only version 2, if so asked."""

    def __init__(self, *, private: bool, http2: bool = False) -> None:
        trusted = httpx.create_ssl_context(trust_env=False)
        super().__init__(trusted, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted,
            max_connections=None,  # each destination has its limit: none waits for another
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=Checked(private=private),
            http1=not http2,
            http2=http2,
        )
