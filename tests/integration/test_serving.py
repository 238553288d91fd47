"""Clients that do not go on, send without end or do not read: they are left, others served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cdp.api.refusing import Refusing
from cdp.api.serving import MAX_HEAD, Patience, Server, server
from cdp.collect.admission import Admission
from cdp.errors import Overloaded
from tests.conftest import Api
from tests.support.collected import stored

QUICK = Patience(head=0.5, request=1.5, answer=1.0, connections=20)
GET = b"GET /health/live HTTP/1.1\r\nhost: x\r\n"
SECONDS = 20.0  # far more than any of it takes


@asynccontextmanager
async def listening(
    app: object, patience: Patience = QUICK, refusing: Refusing | None = None
) -> AsyncIterator[tuple[str, int]]:
    """A real server in this loop."""
    running: Server = server(app, "127.0.0.1", 0, patience, refusing)  # type: ignore[arg-type]
    running.config.lifespan = "off"
    task = asyncio.create_task(running.serve())
    while not running.started:
        await asyncio.sleep(0.01)
    try:
        yield running.servers[0].sockets[0].getsockname()[:2]
    finally:
        running.should_exit = True
        await task


@pytest.fixture
async def address(api: Api) -> AsyncIterator[tuple[str, int]]:
    """Where the platform's API listens."""
    async with listening(api.app) as found:
        yield found


async def talk(address: tuple[str, int], *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send piece after piece; everything that comes until the server ends it."""
    reader, writer = await asyncio.open_connection(*address)
    reading = asyncio.create_task(_rest(reader))
    try:
        for piece in pieces:
            if reading.done():
                break
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(SECONDS):
            return await reading
    finally:
        writer.close()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    heard = b""
    try:
        while data := await reader.read(65_536):
            heard += data
    except ConnectionError:
        pass
    return heard


async def serves(address: tuple[str, int]) -> bool:
    return (await talk(address, GET + b"connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_client_that_says_nothing_is_left(address: tuple[str, int]) -> None:
    assert (await talk(address)).startswith(b"HTTP/1.1 408 ")
    assert await serves(address)


async def test_a_head_that_comes_byte_by_byte_is_not_waited_for(address: tuple[str, int]) -> None:
    slow = (bytes([each]) for each in GET * 100)
    answer = await talk(address, *slow, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "timeout"


async def test_empty_lines_between_requests_do_not_keep_a_connection(
    address: tuple[str, int],
) -> None:
    answer = await talk(address, GET + b"\r\n", *([b"\r\n"] * 200), pause=0.05)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_body_that_comes_byte_by_byte_is_not_waited_for(address: tuple[str, int]) -> None:
    head = b"POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-length: 4000\r\n\r\n"
    answer = await talk(address, head, *([b" "] * 400), pause=0.05)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert await serves(address)


async def test_a_head_without_end_is_refused(address: tuple[str, int]) -> None:
    for endless in (b"x" * 1000, b"x-%d: y\r\n" % 1 * 100):
        pieces = [GET, *([endless] * (MAX_HEAD // len(endless) + 400))]
        answer = await talk(address, *pieces)
        assert answer.startswith(b"HTTP/1.1 431 ")
    assert await serves(address)


async def test_a_body_may_be_larger_than_a_head_however_it_is_cut(
    address: tuple[str, int],
) -> None:
    body = b" " * 300_000 + b"{}"
    head = b"POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(body)
    closing = b"connection: close\r\n\r\n"
    whole = head + closing + body
    cuts = [[whole], [head + closing, body], [whole[:70_000], whole[70_000:]]]
    cuts.append([head + b"\r\n" + body, head + closing + body])
    for pieces in cuts:
        answer = await talk(address, *pieces, pause=0.1)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"431" not in answer
        assert b"408" not in answer


async def test_connections_have_their_number_and_a_place_comes_free(
    address: tuple[str, int],
) -> None:
    idle = [await asyncio.open_connection(*address) for _ in range(QUICK.connections)]
    await asyncio.sleep(0.1)
    assert await talk(address, GET + b"\r\n") == b""
    for reader, writer in idle:  # each is left after its time
        assert b" 408 " in await _rest(reader)
        writer.close()
    assert await serves(address)


Receive = Callable[[], Awaitable[object]]
Send = Callable[[dict[str, object]], Awaitable[None]]


async def test_an_answer_that_nobody_reads_is_given_up() -> None:
    ended = asyncio.Event()

    async def endless(scope: object, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        listener = asyncio.create_task(receive())
        listener = asyncio.create_task(_until_gone(receive, listener))
        while not listener.done():
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        ended.set()

    async with listening(endless) as address:
        _, writer = await asyncio.open_connection(*address, limit=1024)
        writer.write(GET + b"\r\n")
        async with asyncio.timeout(SECONDS):
            await ended.wait()
        writer.close()


async def _until_gone(receive: Receive, first: asyncio.Task[object]) -> None:
    message = await first
    while isinstance(message, dict) and message["type"] != "http.disconnect":
        message = await receive()


async def test_who_cannot_be_let_in_is_answered_before_the_body_and_may_stay(api: Api) -> None:
    full = True

    def must_admit(entering: int) -> None:
        if full:
            raise Overloaded("behind")

    key = api.instance.keys["write_key"].encode()
    body = b'{"anonymousId": "a", "messageId": "%d"}'

    def head(*more: bytes) -> bytes:
        lines = (b"POST /v1/page HTTP/1.1", b"host: x", b"x-write-key: " + key, *more)
        return b"\r\n".join([*lines, b"content-length: %d" % len(body % 1), b"", b""])

    refusing = Refusing(Admission(must_admit, 1 << 20), ["/v1/page"])
    async with listening(api.app, refusing=refusing) as address:
        reader, writer = await asyncio.open_connection(*address)
        for number, origin in enumerate([(), (b"origin: https://shop.example",)]):
            writer.write(head(*origin))
            if (
                not origin
            ):  # a page's request takes the long way, for it is owed what pages are owed
                told = await reader.readuntil(b"}")
                assert told.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after: 1\r\n" in told
                assert json.loads(told.partition(b"\r\n\r\n")[2])["message"] == "behind"
            writer.write(body % number)
            if origin:
                assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        full = False
        writer.write(head() + body % 2)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        writer.close()
    assert [event.message_id for event in await stored(api)] == ["1", "2"]
