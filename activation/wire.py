"""HTTP/1.1 for many small requests: aiohttp, past httpx or beneath it, whose own pool is slow.

What a name stands for is checked at every connection, as in `activation.reaching`. Answers are read
whole, up to a size, so that their connections can be used again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NamedTuple

import aiohttp
import httpcore
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from activation.posters import Look
from activation.reaching import allowed

MOST_BYTES = 1 << 20  # of an answer
_KEPT_SECONDS = 2.0  # connections; many servers hang up after 5 s
_STARTED = "http11.send_request_headers.started"  # told before the first byte of a request
_OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # httpx has said what it wants

_WANTED = {"accept": "*/*", "user-agent": "cdp"}

_trace: ContextVar[Look | None] = ContextVar("trace")


class _Place(NamedTuple):
    url: URL
    address: str  # as it stands in the URL; empty where there is a name


class _Checked(AbstractResolver):
    """Addresses of a name that may be reached, all of them."""

    def __init__(self, *, private: bool) -> None:
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """ForbiddenAddress if any of them may not."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await allowed(host, port, private=self._private)
        ]

    async def close(self) -> None:
        """It keeps nothing."""


class _Connector(aiohttp.TCPConnector):
    """Tells who sends when the connection is there, and nothing was written yet."""

    async def connect(self, *given: Any, **named: Any) -> Any:
        """A connection; it is closed if whoever is told does not want to send any more."""
        connection = await super().connect(*given, **named)
        told = _trace.get()
        try:
            if told is not None:
                await told(_STARTED, {})
        except BaseException:
            connection.close()
            raise
        return connection


class Wire(httpx.AsyncBaseTransport):
    """Requests with a body of bytes, to addresses that may be reached."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._trusted = httpx.create_ssl_context(trust_env=False)
        self._made: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One, within the client's timeout for reading, if it has one."""
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers.raw]
        look, body = request.extensions.get("trace"), await request.aread()
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("read")):
                with _translated():
                    place = _place(str(request.url))
                    answer, content = await self._ask(request.method, place, headers, body, look)
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time") from None
        raw, stream = list(answer.raw_headers), httpx.ByteStream(content)
        return httpx.Response(answer.status, headers=raw, stream=stream)

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, look: Look
    ) -> tuple[int, str | None]:
        """One, past httpx, at a third of its price: the answer's status and its Retry-After."""
        with _translated():
            said = (_WANTED | dict(headers)).items()
            answer, _ = await self._ask(method, _place(url), said, body, look)
        return answer.status, answer.headers.get("retry-after")

    async def _ask(
        self,
        method: str,
        place: _Place,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        look: Look | None,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        _trace.set(look)
        if place.address:  # those are not resolved
            await allowed(place.address, 0, private=self._private)
        if any(each in part for pair in headers for part in pair for each in "\r\n\0"):
            raise httpx.LocalProtocolError("a header has a line break in it")
        async with self._session().request(
            method, place.url, headers=list(headers), data=body, allow_redirects=False
        ) as answer:
            return answer, await _read(answer.content.iter_any())

    async def aclose(self) -> None:
        """Hang up on all."""
        if self._made is not None:
            await self._made.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._made is None:  # it belongs to the loop that it is made in
            connector = _Connector(
                ssl=self._trusted,
                limit=0,  # each destination has its limit: none waits for another
                keepalive_timeout=_KEPT_SECONDS,
                use_dns_cache=False,
                resolver=_Checked(private=self._private),
            )
            self._made = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_OURS,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return self._made


async def _read(pieces: AsyncIterator[bytes]) -> bytes:
    found: list[bytes] = []
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > MOST_BYTES:
            raise httpx.ReadError("the answer is too long")
        found.append(piece)
    return b"".join(found)


@lru_cache(maxsize=1000)
def _place(url: str) -> _Place:
    parsed = httpx.URL(url)
    try:
        ipaddress.ip_address(parsed.host)
    except ValueError:
        return _Place(URL(str(parsed), encoded=True), "")
    return _Place(URL(str(parsed), encoded=True), parsed.host)


@contextmanager
def _translated() -> Iterator[None]:
    """Errors as httpx has them, by whose names they are told."""
    try:
        yield
    except (aiohttp.ClientConnectorError, httpcore.ConnectError) as error:
        raise httpx.ConnectError(type(error).__name__) from error
    except aiohttp.ClientOSError as error:
        raise httpx.ReadError(type(error).__name__) from error
    except aiohttp.ClientError as error:
        raise httpx.RemoteProtocolError(type(error).__name__) from error
