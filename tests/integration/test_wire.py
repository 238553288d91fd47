"""HTTP as deliveries need it: connections are kept while they hold, and answers are bounded."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from activation.kinds.protocol import Late
from activation.posters import Look
from activation.reaching import ForbiddenAddress
from activation.wire import MOST_BYTES, Wire
from tests.support.certificates import certificates

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """Answers each request with these bytes, piece by piece; b"" hangs up."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                for piece in self.pieces:
                    if not piece:
                        return
                    writer.write(piece)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(*pieces: bytes, **options: Any) -> AsyncIterator[Server]:
    server = Server(*pieces)
    listening = await asyncio.start_server(server.connected, "127.0.0.1", 0, **options)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if options else 'http'}://127.0.0.1:{port}/a?b=c"
    async with listening:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=Wire(private=True), timeout=10.0) as made:
        yield made


async def test_connections_are_kept(client: httpx.AsyncClient) -> None:
    async with served(OK) as server:
        for _ in range(3):
            answer = await client.post(server.url, content=b"body", headers={"X-One": "1"})
            assert (answer.status_code, answer.content) == (200, b"hi")
    assert server.connections == 1
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert (b"X-One: 1" in head, body) == (True, b"body")


async def test_a_connection_that_the_server_closed_is_not_used_again(
    client: httpx.AsyncClient,
) -> None:
    async with served(OK, b"") as server:
        for _ in range(3):
            assert (await client.post(server.url, content=b"x")).status_code == 200
            await asyncio.sleep(0)
    assert len(server.requests) == server.connections == 3


@pytest.mark.parametrize(
    ("pieces", "content"),
    [
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], b"hi"),
        ([OK[:20], OK[20:]], b"hi"),
        ([b"HTTP/1.1 200 OK\r\n\r\nun", b"til", b""], b"until"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"],
            b"hi",
        ),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
    ],
    ids=["continue", "pieces", "until closed", "chunked", "empty"],
)
async def test_answers_of_every_form(
    client: httpx.AsyncClient, pieces: list[bytes], content: bytes
) -> None:
    async with served(*pieces) as server:
        answer = await client.post(server.url, content=b"x")
    assert (answer.is_success, answer.content) == (True, content)


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([b""], httpx.RemoteProtocolError),
        ([OK[:-1], b""], httpx.RemoteProtocolError),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], httpx.RemoteProtocolError),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", b"x" * (MOST_BYTES + 1)],
            httpx.ReadError,
        ),
    ],
    ids=["hung up", "half", "no HTTP", "too long"],
)
async def test_what_is_no_answer(
    client: httpx.AsyncClient, pieces: list[bytes], error: type[Exception]
) -> None:
    async with served(*pieces) as server:
        with pytest.raises(error):
            await client.post(server.url, content=b"x")


async def test_who_does_not_answer_in_time(client: httpx.AsyncClient) -> None:
    async with served() as server:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(server.url, content=b"x", timeout=0.05)


async def test_nobody_there(client: httpx.AsyncClient) -> None:
    async with served(OK) as server:
        url = server.url
    with pytest.raises(httpx.ConnectError):
        await client.post(url, content=b"x")
    with pytest.raises(httpx.ConnectError):
        await client.post("http://nowhere.invalid/", content=b"x")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_what_may_not_be_reached_is_not(host: str) -> None:
    async with (
        served(OK) as server,
        httpx.AsyncClient(transport=Wire(private=False)) as client,
    ):
        with pytest.raises(ForbiddenAddress):
            await client.post(server.url.replace("127.0.0.1", host), content=b"x")
    assert server.connections == 0


async def test_whoever_does_not_want_to_any_more_sends_nothing(client: httpx.AsyncClient) -> None:
    async def late(event: str, about: object) -> None:
        raise Late

    async with served(OK) as server:
        for _ in range(2):
            with pytest.raises(Late):
                await client.post(server.url, content=b"x", extensions={"trace": late})
        assert server.requests == []
        assert (await client.post(server.url, content=b"x")).content == b"hi"


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb"])
async def test_no_header_is_added(client: httpx.AsyncClient, value: bytes) -> None:
    async with served(OK) as server:
        with pytest.raises(httpx.LocalProtocolError):
            await client.post(server.url, content=b"x", headers=[(b"x", value)])
    assert server.requests == []


@pytest.mark.parametrize("trusted", [True, False])
async def test_certificates_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    made = certificates()
    chain, authority = tmp_path / "server.pem", tmp_path / "authority.pem"
    chain.write_bytes(made.server)
    authority.write_bytes(made.authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    known: Callable[..., ssl.SSLContext] = httpx.create_ssl_context
    if trusted:
        theirs = ssl.create_default_context(cafile=str(authority))
        monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: theirs)
    wire = Wire(private=True)
    monkeypatch.setattr(httpx, "create_ssl_context", known)
    async with served(OK, ssl=context) as server, httpx.AsyncClient(transport=wire) as client:
        if trusted:
            assert (await client.post(server.url, content=b"x")).content == b"hi"
        else:
            with pytest.raises(httpx.ConnectError):
                await client.post(server.url, content=b"x")


BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nhi"


async def goes_on(event: str, about: object) -> None:
    """Wants to."""


async def asked(wire: Wire, url: str, look: Look = goes_on, **headers: str) -> tuple[int, Any]:
    return await wire.ask("POST", url, headers, b"body", look)


async def test_what_is_asked_past_httpx() -> None:
    async with Wire(private=True) as wire:
        async with served(BUSY) as server:
            for _ in range(3):
                assert await asked(wire, server.url, **{"x-one": "1"}) == (503, "7")
            with pytest.raises(httpx.LocalProtocolError):
                await asked(wire, server.url, **{"x-one": "1\r\nx-two: 2"})
        assert (server.connections, len(server.requests)) == (1, 3)
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0] == b"POST /a?b=c HTTP/1.1"
        assert lines[1] == b"Host: " + httpx.URL(server.url).netloc
        assert {b"accept: */*", b"user-agent: cdp", b"x-one: 1", b"Content-Length: 4"} <= set(lines)
        assert body == b"body"
        async with served(b"SSH-2.0-OpenSSH_9.6\r\n") as server:
            with pytest.raises(httpx.RemoteProtocolError):
                await asked(wire, server.url)
        with pytest.raises(httpx.InvalidURL):
            await asked(wire, "http://a:b/")


async def test_nothing_is_asked_where_nobody_may_or_wants_to() -> None:
    async def late(event: str, about: object) -> None:
        raise Late

    async with served(OK) as server:
        async with Wire(private=True) as wire:
            with pytest.raises(Late):
                await asked(wire, server.url, late)
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            async with Wire(private=False) as wire:
                with pytest.raises(ForbiddenAddress):
                    await asked(wire, server.url.replace("127.0.0.1", host))
    assert server.requests == []
