"""Webhooks connect to what was checked: names that lead inside, or change, gain nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from activation.claims import begin
from activation.kinds.protocol import Message
from activation.kinds.webhook import Webhook
from activation.model import Delivery, Destination
from activation.reaching import ForbiddenAddress, Transport
from activation.wire import Wire
from cdp import times

SECRET = "whsec_" + "a" * 32


@pytest.fixture
async def inside() -> AsyncIterator[int]:
    """The port of a server on loopback that says yes to everything."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Names are looked up with these answers, one after the other."""
    left = list(answers)

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def get(url: str, *, private: bool) -> int:
    async with httpx.AsyncClient(transport=Transport(private=private)) as client:
        return (await client.get(url)).status_code


async def test_loopback_is_reached_by_default_and_not_where_the_settings_forbid(
    inside: int,
) -> None:
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1"):
        assert await get(f"http://{host}:{inside}/", private=True) == 204
        with pytest.raises(ForbiddenAddress):
            await get(f"http://{host}:{inside}/", private=False)


async def test_a_name_that_leads_inside_is_not_followed(
    inside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in (["169.254.169.254"], ["127.0.0.1", "169.254.169.254"]):
        resolving(monkeypatch, answer)
        with pytest.raises(ForbiddenAddress):
            await get(f"http://hooks.example.com:{inside}/", private=True)


async def test_a_name_is_looked_up_once_for_check_and_connection(
    inside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer, which would lead elsewhere, is never asked for."""
    resolving(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    assert await get(f"http://hooks.example.com:{inside}/", private=True) == 204


async def test_the_next_address_is_tried_where_the_first_does_not_answer(
    inside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    assert await get(f"http://hooks.example.com:{inside}/", private=True) == 204


async def test_the_ledger_says_why(inside: int) -> None:
    destination = Destination(
        key="d", kind="webhook", settings={"url": f"http://127.0.0.1:{inside}/"}
    )
    delivery = Delivery(b"d" * 16, "d", b"p" * 16, "s", "entered", times.now(), "")
    async with Wire(private=False) as wire:
        (outcome,) = await Webhook(wire, destination, SECRET).send(
            [Message(delivery, {}, {}, {})], begin(times.now), times.now()
        )
    assert (outcome.delivered, outcome.reason) == (False, "ForbiddenAddress")
