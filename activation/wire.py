"""HTTP/1.1 for many small requests: httpx's own pool looks at every connection for each of them.

What a name stands for is checked at every connection, as in `activation.reaching`. Answers are read
whole, up to a size, so that their connections can be used again.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import defaultdict
from typing import NamedTuple, cast

import httpcore
import httptools
import httpx

from activation.reaching import allowed

MOST_BYTES = 1 << 20  # of an answer
_MOST_KEPT, _KEPT_SECONDS = 64, 2.0  # connections of a host; many servers hang up after 5 s
_STARTED = "http11.send_request_headers.started"  # told before the first byte of a request


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class _Answer(asyncio.Protocol):
    """One connection: reads the answer to the request that it was written."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.used = 0.0
        self._lost = False
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._head = self._kept = False
        self._waiter: asyncio.Future[None] | None = None

    async def asked(self, head: bytes, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body of the answer; httpx's errors if there is none."""
        self._begin()
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        assert self.transport is not None
        self.transport.write(head + body)
        await waiter
        return self._parser.get_status_code(), self._headers, b"".join(self._body)

    @property
    def open(self) -> bool:
        """Whether it can be written to."""
        return not self._lost and self.transport is not None and not self.transport.is_closing()

    @property
    def reusable(self) -> bool:
        """Whether it has answered in full and stays open."""
        return self._kept and self.open

    def close(self) -> None:
        """At once, whatever is under way."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():  # nobody has asked for it
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(httpx.RemoteProtocolError("the answer is no HTTP"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head = self._parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > MOST_BYTES:
            self._fail(httpx.ReadError("the answer is too long"))
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._head:  # one that is to come before the answer itself
            self._headers.clear()
        elif self._waiter is not None and not self._waiter.done():
            self._kept = self._parser.should_keep_alive()
            self._waiter.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self._waiter is None or self._waiter.done():
            return
        names = {name.lower() for name, _ in self._headers}
        if error is None and self._head and not names & {b"content-length", b"transfer-encoding"}:
            self._waiter.set_result(None)  # an answer that ends with its connection
        elif error is None:
            self._fail(httpx.RemoteProtocolError("the server hung up"))
        else:
            self._fail(httpx.ReadError(type(error).__name__))

    def _fail(self, error: httpx.HTTPError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.close()


class Wire(httpx.AsyncBaseTransport):
    """Requests with a body of bytes, to addresses that may be reached."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._trusted: ssl.SSLContext = httpx.create_ssl_context(trust_env=False)
        self._idle: dict[_Origin, list[_Answer]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One, within the client's timeout for reading, if it has one."""
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("read")):
                return await self._answered(request)
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time") from None

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        origin = _Origin(url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        body, head = await request.aread(), _head(request)
        connection = self._taken(origin) or await self._opened(origin)
        try:
            trace = request.extensions.get("trace")
            if trace is not None:
                await trace(_STARTED, {})
            status, headers, answer = await connection.asked(head, body)
        except BaseException:
            connection.close()
            raise
        if connection.reusable and len(self._idle[origin]) < _MOST_KEPT:
            connection.used = time.monotonic()
            self._idle[origin].append(connection)
        else:
            connection.close()
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(answer))

    async def aclose(self) -> None:
        """Hang up on all."""
        for connections in self._idle.values():
            for each in connections:
                each.close()
        self._idle.clear()

    def _taken(self, origin: _Origin) -> _Answer | None:
        connections = self._idle[origin]
        while connections:
            each = connections.pop()
            if each.open and time.monotonic() - each.used < _KEPT_SECONDS:
                return each
            each.close()
        return None

    async def _opened(self, origin: _Origin) -> _Answer:
        loop = asyncio.get_running_loop()
        secure = self._trusted if origin.scheme == "https" else None
        name = origin.host if secure is not None else None
        failed: Exception = OSError("no address")
        try:
            for address in await allowed(origin.host, origin.port, private=self._private):
                try:
                    _, made = await loop.create_connection(
                        _Answer, address, origin.port, ssl=secure, server_hostname=name
                    )
                except OSError as error:
                    failed = error
                else:
                    return made
        except httpcore.ConnectError as error:
            failed = error
        raise httpx.ConnectError(type(failed).__name__) from failed


def _head(request: httpx.Request) -> bytes:
    lines = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    if any(b"\r" in each or b"\n" in each or b"\0" in each for each in lines):
        raise httpx.LocalProtocolError("a header has a line break in it")
    return b"\r\n".join(lines) + b"\r\n\r\n"
